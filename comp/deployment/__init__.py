"""Labels for new images by trained models: here (`make predict`), and by packages that need no repository (`make package`)."""

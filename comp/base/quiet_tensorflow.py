"""TensorFlow and Keras, imported without the lines about missing GPUs that their C++ parts write whatever the log level is."""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

sys.stderr.flush()
terminal = os.dup(2)
with open(os.devnull, "wb") as nowhere:
    os.dup2(nowhere.fileno(), 2)
try:
    import keras
    import tensorflow
finally:
    os.dup2(terminal, 2)
    os.close(terminal)
tensorflow.get_logger().setLevel("ERROR")  # every new network is traced anew, which it warns of

__all__ = ["keras", "tensorflow"]

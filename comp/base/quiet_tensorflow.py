"""TensorFlow and Keras, imported without the lines about missing GPUs that their C++ code writes at any log level."""

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
tensorflow.get_logger().setLevel("ERROR")  # it warns that every new network is traced again

__all__ = ["keras", "tensorflow"]

"""A data set in, a model folder out. TensorFlow and `datasets` live here only."""

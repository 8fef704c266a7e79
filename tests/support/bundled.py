"""The bundled model, to be put elsewhere."""

from detector.model_folder import BUNDLED, CONFIG, METRICS, load

NETWORKS = tuple(network.config.file for network in load().networks)
# What serves it: name -> bytes.
FILES = {name: (BUNDLED / name).read_bytes() for name in (CONFIG, METRICS, *NETWORKS)}

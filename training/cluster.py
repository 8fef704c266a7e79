"""Which processes train together, as the command line or a cluster manager says."""

from collections.abc import Mapping
from dataclasses import dataclass

from training.errors import TrainingError

# How cluster managers tell a process how many there are and which it is.
_COUNTS = (
    ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"),
    ("WORLD_SIZE", "RANK"),  # torchrun, Kubeflow, SageMaker
    ("SLURM_NTASKS", "SLURM_PROCID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
)


@dataclass(frozen=True)
class Cluster:
    """The processes that train together, and which of them this is. `coordinator` is HOST:PORT of rank 0."""

    coordinator: str = ""
    world_size: int = 1
    rank: int = 0

    @classmethod
    def detect(
        cls, coordinator: str | None, processes: int | None, process: int | None, environment: Mapping[str, str]
    ) -> "Cluster":
        """What was said, and for what was not, what the cluster manager put into the environment.

        Raises TrainingError where something is missing or contradictory.
        """
        if processes is None and process is None:
            for count, index in _COUNTS:
                if count in environment and index in environment:
                    processes, process = _number(environment, count), _number(environment, index)
                    break
        if coordinator is None:
            coordinator = environment.get("JAX_COORDINATOR_ADDRESS", "")
        if not coordinator and "MASTER_ADDR" in environment:
            coordinator = f"{environment['MASTER_ADDR']}:{environment.get('MASTER_PORT', '')}"
        if processes is None and process is None and not coordinator:
            return cls()
        if processes is None or process is None or not 0 <= process < processes:
            raise TrainingError("Say how many processes there are and which this is: --processes N --process 0 to N-1.")
        host, _, port = coordinator.rpartition(":")
        if processes > 1 and not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise TrainingError("Say where process 0 runs, the same to all: --coordinator HOST:PORT.")
        return cls(coordinator, processes, process)


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise TrainingError(f"{name} in the environment must be a number.") from None

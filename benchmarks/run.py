"""Every benchmark: ratios of two things timed side by side in this run, and bytes of state."""

import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import detector_speed
import kafka_throughput
import learned_speed
import metrics_speed
import patches_speed
import profile_speed
import signature_speed
import trees_speed


def sections() -> Iterator[tuple[str, Iterator[str]]]:
    """Titles and the lines under them, each made when it is asked for."""
    yield "State", detector_speed.bytes_a_key()
    yield "Fast path (target: over 1)", detector_speed.fast_against_slow()
    yield "River (target: 20x)", detector_speed.against_river()
    yield "Metrics (target: 50x the plain loops; 1M rows under 10 s)", metrics_speed.report()
    yield "Patch memory (target: 10x the 14k values/s of its prototype)", patches_speed.report()
    yield "Trees (target: 100x)", trees_speed.report()
    yield "Matrix profile, against stumpi", profile_speed.report()
    yield "Signatures (target: 1x the packages)", signature_speed.report()
    yield "Learned (target: forward pass 50x the official model's)", learned_speed.report()
    yield "Kafka (target: 0.7)", kafka_throughput.report()


def main() -> None:
    here = Path(__file__).parent
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, check=False, capture_output=True, text=True, cwd=here)
    print(f"{platform.platform()}, Python {platform.python_version()}, {commit.stdout.strip()}")
    for title, lines in sections():
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()

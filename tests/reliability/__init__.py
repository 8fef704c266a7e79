"""What the product does under faults: hostile files, attacks, kills, full disks, an hour of mixed calls.

Each trial is a command, `python -m tests.reliability fuzz | kill | disk | soak | attack`. docs/reliability.md has the
results.
"""

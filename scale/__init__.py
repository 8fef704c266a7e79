"""Judge pictures in bulk: many photographs in, parquet out, on one machine or on a Ray cluster.

    python -m scale judge INPUT OUTPUT [--address ray://HOST:10001]

Rooms: `storage` (folders and addresses), `plan` (what is to be judged), `results` (the parquet files and what they
already hold), `worker` (the actor that judges a unit of the plan), `run` (Ray Data: units over workers), `errors`.
"""

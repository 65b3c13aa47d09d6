"""What the benchmarks have in common: what is built, how it is started, measured, compared and shown."""

"""What the benchmarks share: building, starting, measuring, comparing and showing."""

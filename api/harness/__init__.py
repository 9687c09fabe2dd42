"""Processes and deployments for benchmarks, fault runs and the demonstration.

fault_runner        Fault runs
fork_server         Starts the service over and over for a fault run
partition_runner    Fault run of links: trials in processes of their own, and their counts
service_process     A real service in a process of its own, for the demonstration and for fault
                    runs
staged_service      The service with a stopwatch at every stage, for the serving benchmark
"""

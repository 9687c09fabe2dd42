"""Processes and deployments for benchmarks, fault runs and the demonstration.

fault_runner        Fault runs
fork_server         Starts the service over and over for a fault run
link_intake         Intake of a centre's links, for their benchmark
linked_homes        Homes of two administrations and a post, with links in force between them
links_demo          Demonstration of links: a border post, its centre, the administration opposite
lived_shifts        The last shifts of the demonstration, decided on by its model as they passed
lived_weeks         Eight weeks of work at one line, with which the demonstration begins
partition_runner    Fault run of links: trials in processes of their own, and their counts
service_process     A real service in a process of its own, for the demonstration and for fault
                    runs
staged_service      The service with a stopwatch at every stage, for the serving benchmark
tls_line            A line to a service: TLS with a certificate of its own, which can be cut
"""

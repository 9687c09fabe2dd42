"""The running service: settings, parts, metrics, logs.

executors           Threads for work that must not wait for other work, and bounds on what waits
                    for them
metrics             How this process fares, for Prometheus
model_store         The models of a home
model_watcher       Which models decide
runtime             The service put together
settings            What a deployment may set, from the environment
signed_answers      Answers about records of the journal, each with its receipt
store_probe         Whether the store takes a record now
structured_logging  What the service logs
subprocess_jobs     Backtests and measurements for callers of the service, each in a process of
                    its own
thread_bridge       Work of other threads, awaited on the event loop
"""

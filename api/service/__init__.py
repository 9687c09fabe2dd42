"""The running service: settings, parts, metrics, logs.

assembly            Puts a service together from its parts
executors           Threads for work that must not wait for other work, with bounds
home_keys           Key files of a home, which are never made again unasked
metrics             Metrics of this process, for Prometheus
model_store         Models of a home
model_watcher       Models that decide
quiet_work          Work that waits for a pause between decisions: garbage, and the log of SQLite
runtime             The parts of a running service
settings            Settings of a deployment, from the environment
sign_in             Parts by which a service knows its callers: accounts, keys, sessions, sign-on
signed_answers      Answers about records of the journal, each with its receipt
store_probe         Probe of the store
structured_logging  Structured log of the service
subprocess_jobs     Backtests and measurements for callers of the service, each in a process of
thread_bridge       Work of other threads, awaited on the event loop
"""

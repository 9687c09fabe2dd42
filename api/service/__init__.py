"""The running service: settings, parts, metrics, logs.

assembly            The service put together, and the work that it does between decisions
executors           Work that must not hold up decisions: on threads, and in processes of their own
metrics             Metrics of this process, for Prometheus
model_watch         Models that decide, and the bundles of a home
readiness           Key files of a home, and the probe whether its store takes records
runtime             The parts of a running service, and its signed answers
settings            Settings of a deployment, from the environment
sign_in             Parts by which a service knows its callers: accounts, keys, sessions, sign-on
structured_logging  Structured log of the service
"""

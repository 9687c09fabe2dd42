"""Benchmarks against peers.

explain        Exact explanations against ``shap.TreeExplainer`` on the same 200 trees, rows and
               machine
features       Bulk features against pandas, Polars and DuckDB
lookup         Online counters against the store's own floor
messages       Cost of translating standard messages, against a bare parse
plain_service  A plain scoring service, as an analyst would write it
quality        Quality of ranking against peers
runner         Declaration of a benchmark, turns of its contestants, and its figures
scale          Growth of a home with its history: load, training, decisions and pages
serving        Cost of a full decision, against services on the same model
soak           Decisions of 24 posts for ten minutes: waiting, queue and memory
"""

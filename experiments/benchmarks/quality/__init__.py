"""Quality of ranking against peers.

groups         Loads of groups that were never caught before the fit, on synthetic networks of five
               kinds
kcs            Quality on the public declarations of Korea Customs, by two protocols
known_truth    A synthetic network whose last quarter is judged by the truth of every entry
networks       Quality on networks of several makes, and what a family of features is worth on each
peers          Peers of the quality benchmark, fitted on the same rows
plain_learner  A plain learner of loads on columns of its own: what one page of code finds
run            Benchmark of ranking against peers; ``--data`` names a folder of KCS files
search_orders  Search orders against a fixed checklist
"""

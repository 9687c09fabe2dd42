"""Quality of ranking against peers.

kcs         Quality on the public declarations of Korea Customs, by two protocols
mechanisms  Quality on networks of other mechanisms than the main generator's
peers       Peers of the quality benchmark, fitted on the same rows
run         Benchmark of ranking against peers; ``--data`` names a folder of KCS files
synthetic   Quality on synthetic networks, whose truth is known
"""

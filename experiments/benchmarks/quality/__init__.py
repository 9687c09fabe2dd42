"""Quality of ranking against peers.

kcs        How good on the one public set of customs declarations? Korea's, by two protocols
peers      What would others have said? Peers of the quality benchmark, fitted on the very same
           rows
run        Does the ranking find more than others would? ``--data`` names a folder of KCS files
synthetic  How good on a network whose truth is known? The synthetic one, its last quarter,
           three seeds
"""

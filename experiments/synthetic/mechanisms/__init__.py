"""Small networks of other mechanisms than the main generator's: nothing in them is real.

folder         A network as a bulk folder, with its ground truth
course         The year week by week: loads, what shows of them, searches, finds
hidden_groups  Groups that carry again and again, half of them never caught before the last
               quarter
hidden_risks   Mechanisms: what makes a trip carry, or its papers be wrong
traffic        Trips between paired posts, and the parties to them
"""

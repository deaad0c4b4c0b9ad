"""Files that aren't text: every leaf with its place, and an end to every bomb."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile

import pytest
import zstandard

from poundlock.adapters.documents import Budget, Unreadable, leaves, sort

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DRAW = "http://schemas.openxmlformats.org/drawingml/2006/main"
ODF = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"


def read(data, name="x", budget=None):
    """Give (place, text or fault) of each leaf."""
    out = []
    for leaf in leaves(io.BytesIO(data), name, budget):
        try:
            text = leaf.stream.read().decode() if leaf.stream else leaf.text
        except Unreadable as fault:
            text = str(fault)
        out.append((leaf.place, leaf.fault or text))
    return out


def zipped(**files):
    """Make a zip; `__` in a name stands for a slash."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return out.getvalue()


def parts(**files):
    """Make an Office file."""
    return zipped(**{"[Content_Types].xml": "<Types/>"}, **files)


def tarred(**files):
    """Make a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def pdf(text, more=b""):
    """Make a PDF of one page by hand."""
    content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>"
        + more
        + b">>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Title(The lock)>>",
    ]
    out = b"%PDF-1.4\n"
    places = []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return out + b"trailer<</Size %d/Root 1 0 R/Info 6 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"PK\x03\x04", "x", "zip"),
        (b"\x1f\x8b\x08\0", "x", "gzip"),
        (b"%PDF-1.7", "x", "pdf"),
        (b'{"cells": []}', "x.ipynb", "notebook"),
        (b'{"cells": []}', "x.json", ""),
        (b"plain", "x.zip", ""),
        (b"", "x", ""),
    ],
)
def test_content_says_what_a_file_is(data, name, kind):
    """A name alone makes no archive."""
    assert sort(data, name) == kind


def test_members_of_archives():
    """Zip, tar, compressed tar, an archive in an archive; what is no text is passed by."""
    inner = zipped(deep="three")
    data = zipped(a="one", b__c="two", d=b"\0binary", e=inner)
    assert read(data) == [("!/a", "one"), ("!/b/c", "two"), ("!/e!/deep", "three")]
    tar = tarred(a=b"one", b=inner)
    want = [("!/a", "one"), ("!/b!/deep", "three")]
    assert read(tar) == want
    for pack in (gzip.compress, bz2.compress, lzma.compress, zstandard.compress):
        assert read(pack(tar)) == want
        assert read(pack(b"alone"), "note.txt.gz") == [("", "alone")]


def test_links_of_a_tar_are_not_followed():
    """Neither symbolic nor hard ones, nor devices."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo("x")
            info.type = kind
            info.linkname = "/etc/passwd"
            archive.addfile(info)
    assert read(out.getvalue()) == []


def test_office_files():
    """Paragraphs, links, cells by row with shared texts, slides in their order, properties."""
    run = "<w:p><w:r><w:t>pass</w:t></w:r><w:r><w:t>word: plum</w:t></w:r></w:p>"
    word = f'<w:document xmlns:w="{WORD}">{run}</w:document>'
    links = '<Relationships><Relationship Target="https://example.com/x"/></Relationships>'
    found = dict(read(parts(word__document="", **{"word/document.xml": word, "word/_rels/document.xml.rels": links})))
    assert found["!/word/document.xml"] == "password: plum\n"
    assert "https://example.com/x" in found["!/word/_rels/document.xml.rels"]
    sheet = (
        f'<worksheet xmlns="{SHEET}"><sheetData><row><c t="s"><v>1</v></c><c><v>7</v></c></row>'
        '<row><c t="inlineStr"><is><t>in</t></is></c></row></sheetData></worksheet>'
    )
    strings = f'<sst xmlns="{SHEET}"><si><t>zero</t></si><si><t>pl</t><r><t>um</t></r></si></sst>'
    book = parts(**{"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": strings, "xl/styles.xml": "<x/>"})
    assert read(book) == [("!/xl/worksheets/sheet1.xml", "plum\t7\t\nin\t\n")]
    slides = {
        f"ppt/slides/slide{number}.xml": f'<p xmlns:a="{DRAW}"><a:p><a:r><a:t>{number}</a:t></a:r></a:p></p>'
        for number in (10, 2)
    }
    assert [(place, text.strip()) for place, text in read(parts(**slides))] == [
        ("!/ppt/slides/slide2.xml", "2"),
        ("!/ppt/slides/slide10.xml", "10"),
    ]
    text = f'<office xmlns:text="{ODF}"><text:h>One</text:h><text:p>two<text:tab/>three</text:p></office>'
    assert read(zipped(mimetype="application/vnd", **{"content.xml": text})) == [
        ("!/content.xml", "One\ntwo\tthree\n"),
        ("!/mimetype", "application/vnd"),
    ]


def test_entities_are_refused():
    """A document type is never read: no billion laughs, nothing fetched."""
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    assert read(parts(**{"word/document.xml": bomb})) == [
        ("!/word/document.xml", "it declares a document type, which is not read")
    ]


def test_notebooks():
    """Sources, outputs without pictures, tracebacks, metadata; each at its cell."""
    book = {
        "cells": [
            {"cell_type": "markdown", "source": ["one\n", "two"]},
            {
                "cell_type": "code",
                "source": "x",
                "outputs": [
                    {"output_type": "stream", "text": ["three"]},
                    {"data": {"text/plain": "four", "image/png": "iVBOR"}},
                    {"ename": "E", "evalue": "five", "traceback": ["six"]},
                ],
                "metadata": {"tag": "seven"},
            },
        ],
        "metadata": {"kernel": "eight"},
    }
    found = read(json.dumps(book).encode(), "a.ipynb")
    assert [(place, text.split()) for place, text in found] == [
        ("#cell 1", ["one", "two"]),
        ("#cell 2", ["x"]),
        ("#cell 2 output 1", ["three"]),
        ("#cell 2 output 2", ["four"]),
        ("#cell 2 output 3", ["E", "five", "six"]),
        ("#cell 2 metadata", ["{", '"tag":', '"seven"', "}"]),
        ("#metadata", ["{", '"metadata":', "{", '"kernel":', '"eight"', "}", "}"]),
    ]
    assert read(b"{", "a.ipynb") == [("", "it is not valid JSON")]


def test_pdf():
    """Pages, links, properties; what is damaged is a fault and no exception."""
    link = b"/Annots[<</Type/Annot/Subtype/Link/A<</S/URI/URI(https://example.com/y)>>>>]"
    assert read(pdf("password: plum", link)) == [
        ("#page 1", "password: plum\nhttps://example.com/y"),
        ("#properties", "Title: The lock"),
    ]
    assert read(b"%PDF-1.7\nnothing") == [("", "it is damaged")]
    assert read(pdf("x"), budget=Budget(pages=0)) == [
        ("", "it has more than 0 pages"),
        ("#properties", "Title: The lock"),
    ]


@pytest.mark.parametrize(
    ("data", "budget", "why"),
    [
        (gzip.compress(b"a" * 30_000_000), {}, "it unpacks to far more than it is"),
        (gzip.compress(b"a" * 30_000), {"size": 20_000}, "it unpacks to more than is read"),
        (zipped(a="1", b="2", c="3"), {"members": 2}, "it has more members than are read"),
        (zipped(a=zipped(b=zipped(c="1"))), {"depth": 1}, "it is nested too deep"),
        (zipped(a=gzip.compress(b"a" * 9000) * 2), {"single": 40}, "a part of it is larger than is held at once"),
        (gzip.compress(b"abc" * 9000)[:40], {}, "it is damaged"),
        (zipped(a="1")[:-10], {}, "it is damaged"),
        (b"PK\x03\x04" + bytes(40), {}, "it is damaged"),
    ],
)
def test_bombs_and_damage_are_faults(data, budget, why):
    """Each limit ends the reading and says so."""
    assert read(data, budget=Budget(**budget))[-1][1] == why


def test_an_encrypted_member_is_a_fault_and_the_others_are_read():
    """The flag in the header is what says it."""
    data = bytearray(zipped(a="1", b="2"))
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(magic) + place] |= 1
    assert read(bytes(data)) == [("!/a", "it is encrypted"), ("!/b", "2")]


def test_nothing_is_shown_in_a_repr():
    """A leaf's text stays out of it."""
    (leaf,) = leaves(io.BytesIO(gzip.compress(b"plum")), "x.gz")
    leaf = leaf._replace(text="plum")
    assert "plum" not in repr(leaf)

"""The tags that the shipped phase cards use, with their meanings; the one place that defines them."""

from __future__ import annotations

from types import MappingProxyType

TAGS = MappingProxyType(
    {
        # chemistry
        "element": "pure element; a possible reference for formation energies",
        "alloy": "compound of metals and metalloids only: Na-Sn, Na-Sb, Sn-Sb",
        "sulfide": "compound with sulfide ions or metal-sulfur bonds, without S-S bonds",
        "polysulfide": "salt with chains of two or more bonded sulfur atoms",
        "phosphorus-sulfide": "binary compound of phosphorus and sulfur",
        "phosphide": "compound of phosphorus with metals, without sulfur",
        "antimonide": "compound of antimony with metals, without sulfur",
        "thiophosphate": "salt with phosphorus-sulfur anions",
        "thioantimonate": "salt with antimony-sulfur anions, of Sb(V) or Sb(III)",
        "thiostannate": "salt with tin-sulfur anions",
        "oxide": "oxide or peroxide",
        "nitride": "nitride",
        # use
        "electrolyte": "solid electrolyte, or studied as one",
        "additive": "presodiation additive from outside the Na-S-Sb-P-Sn system",
        "releases-gas": "gives off nitrogen or oxygen when its sodium is taken out",
        "li-reference": "lithium counterpart, kept for comparison with the better-known lithium chemistry",
        # state
        "molecular": "crystal of molecules held together by dispersion forces",
        "high-pressure": "made or stable under pressure only",
        "high-temperature": "modification that is stable above room temperature",
        # trust
        "hypothetical": "predicted, or known only from an isotypic compound; not reported as made",
        "disorder-model": "ordered stand-in for a phase that is disordered or partly occupied in reality",
        "quoted-cell": "cell quoted from general knowledge without its source at hand",
        "estimated-cell": "cell or its volume estimated, not measured and not relaxed",
        "low-trust": "structure type, ordering or cell is assumed: look at it before believing a hull with it",
    }
)

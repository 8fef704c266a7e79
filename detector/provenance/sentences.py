"""What people read of a finding. The static page says the same in the same words."""

MARKS = {
    "generator": "The file bears the mark of {name}, a generator of pictures: {evidence}.",
    "generator_meaning": (
        "The program or a copy of its fields wrote this; such marks are unsigned, can be forged, and do not tell how "
        "much of the picture is generated."
    ),
    "untold": "The file went through {name}: {evidence}, but none of the steps in it is known to generate pictures.",
    "untold_meaning": "Such programs also resize and convert ordinary photographs, so this tells little.",
    "saved": "The file was saved by {name}: {evidence}.",
    "editor_meaning": (
        "Most published photographs pass through such a program, and the file does not tell what was changed."
    ),
    "face_editor_meaning": (
        "This app can change faces, but the file does not tell what was changed, and the field can be forged."
    ),
    "restored": "The faces in the picture were redrawn by {name}, a network that restores faces.",
    "restored_meaning": "Such a network makes up what it does not see; the field is unsigned and can be forged.",
    "samsung": "The editor of a Samsung phone notes that generative AI changed the picture.",
    "samsung_meaning": "The note is unsigned, and does not tell what was changed.",
    "field": "{place} says “{value}”",
    "settings": "it holds the settings of a generation",
    "steps": "it holds the settings of a generation (steps, sampler, seed)",
    "job": "its description ends in a Midjourney job number",
    "graph": "it holds a graph of processing steps",
    "signature": "its fields hold Grok’s signature and the number of a picture",
}
LABELS = {
    "source_type": "The label “digital source type”",
    "ai_system": "The label “AI system used: {value}”",
    "credit": "The credit line “{value}”",
    "says": "{label} says that the picture {words}.",
    "unsigned": (
        "Such a label is unsigned, so anyone can add, change or remove it; honest programs add it to what they make."
    ),
    "aigc_made": "China's AIGC label says that the picture was made by generative AI (named in it: “{by}”).",
    "aigc_possibly": "China's AIGC label says that the picture is possibly AI-made (named in it: “{by}”).",
    "aigc_suspected": "China's AIGC label says that the picture is suspected to be AI-made (named in it: “{by}”).",
}
CAMERA = {
    "fields": (
        "The file carries the fields that a camera writes: {camera}{taken}, with {n} of {all} details of the shot."
    ),
    "taken": ", taken at {time}",
    "meaning": (
        "EXIF is easily forged or copied from another picture, and it stays when a photograph is changed afterwards."
    ),
}
CREDENTIALS = {
    "remote": "The file says that its Content Credentials are kept on a web site.",
    "remote_meaning": (
        "They were not fetched, since a picture is checked here without asking anyone, so this tells nothing."
    ),
    "unread": "Content Credentials may be attached, but the part of this page that reads them could not be loaded.",
    "unread_meaning": "Judge the picture again with a network; until then this tells nothing.",
    "damaged": "Content Credentials are attached, but they are damaged and cannot be read.",
    "mismatch": "Content Credentials are attached, but they are broken: they no longer match this picture.",
    "revoked": "Content Credentials are attached, but the certificate behind them was revoked.",
    "certificate": "Content Credentials are attached, but the certificate behind them is not for signing pictures.",
    "invalid": "Content Credentials are attached, but they are not valid: their signature cannot be accepted.",
    "unbelievable": "Nothing that they say can be believed; {why}",
    "resaved_why": "ordinary programs that resave a picture break them too, so this alone is no sign of a forgery.",
    "revoked_why": "whoever issued the certificate has withdrawn it.",
    "certificate_why": "the standard asks for a certificate that was issued for it.",
    "intact": "Intact Content Credentials say {statement}{named}.",
    "statement": "the picture {words}",
    "and": " and ",
    "nothing": "nothing of how the picture was made",
    "trusted_signer": "signed by “{name}”",
    "signer": "signed under the name “{name}”",
    "generator": "written with “{name}”",
    "tool": "tool: “{name}”",
    "trusted": "The picture is unchanged since it was signed, by a signer on {list}. {limit}",
    "limit": "The list vouches for who signed, not for what they say.",
    "limit_earlier": "A part of this is from earlier Content Credentials, whose signer was not found on that list.",
    "unproven": (
        "The picture is unchanged since it was signed, but who signed it is not verifiable here ({reason}), and anyone "
        "can sign under any name."
    ),
    "expired": "the certificate has run out, and no trusted time stamp is from before",
    "unlisted": "the signer is not on {list}",
    "no_list": "no list of trusted signers is used",
    "c2pa_list": "the C2PA trust list of {day}",
    "own_list": "the trust list set up here of {day}",
}

"""Names of the programs that make and edit pictures, as they write them into files."""

import re

MADE_WITH = r"(?:made|created|generated|designed|powered) (?:with|by|using|in) "

# Matched at the beginning of a field that names the program, never in captions. A name that is also a word, a camera
# or another program (Gemini, Imagen, Flux, Grok) needs more than itself.
GENERATORS = {
    "Midjourney": r"mid ?journey\b",
    "DALL·E": r"(?:openai )?dall[-·•. ]?e\b",
    "OpenAI's image generator": r"(?:openai|chatgpt|gpt-image|gpt-4o image)\b",
    "Adobe Firefly": r"adobe firefly\b",
    "Google's image generator": r"(?:google (?:ai|gemini|imagen|generative ai)|imagen[- ]?[2-9]|nano banana)\b",
    "FLUX": (
        r"(?:ai generated;[\w ]+;flux\b|flux[. -]?[12](?:\.\d)?\b|flux[. -](?:dev|schnell|pro|kontext)\b|"
        r"black forest labs\b)"
    ),
    "Stable Diffusion": r"(?:stable[- ]?diffusion|stability[. ]ai|sdxl|sd\.next|dreamstudio|automatic1111)\b",
    "Grok": r"(?:xai grok|grok(?:[ -]\d)?[ -]imag(?:e|ine))\b",
    "NovelAI": r"novelai\b",
    "InvokeAI": r"invoke-?ai\b",
    "ComfyUI": r"comfyui\b",
    "RuinedFooocus": r"ruined ?fooocus\b",
    "Fooocus-MRE": r"fooocus-mre\b",
    "Fooocus": r"fooocus\b",
    "MFLUX": r"mflux\b",
    "Draw Things": r"draw things(?: [\d.]+)?$",
    "SwarmUI": r"(?:stable)?swarmui\b",
    "DiffusionBee": r"diffusion ?bee\b",
    "Mochi Diffusion": r"mochi diffusion\b",
    "Easy Diffusion": r"easy ?diffusion\b",
    "Leonardo.Ai": r"leonardo(?:\.| )ai\b",
    "Ideogram": r"ideogram(?:\.ai| ai| \d|$)",
    "Microsoft's image generator": r"(?:bing image creator|(?:microsoft )?image creator from|microsoft designer)\b",
    "Meta AI": r"(?:meta ai|imagined? with (?:meta )?ai)\b",
    "Apple Image Playground": r"(?:apple )?image playground\b",
    "NightCafe": r"nightcafe\b",
    "Craiyon": r"craiyon\b",
    "Recraft": r"recraft(?:\.ai| ai| v?\d|$)",
    "Playground AI": r"playground ?ai\b",
    "Krea": r"krea(?:\.ai| ai)\b",
    "Runway": r"runway ?ml\b",
    "Seedream": r"seedream\b",
    "Jimeng": r"(?:jimeng|即梦)",
    "Doubao": r"(?:doubao|豆包)",
    "Kling": r"kling ?ai\b",
    "Qwen-Image": r"qwen-image\b",
    "Luma": r"luma (?:ai|labs)\b",
    "StyleGAN": r"(?:stylegan|thispersondoesnotexist)\b",
}

FACE_EDITORS = {
    "FaceApp": r"face ?app\b",
    "Facetune": r"facetune",
    "Remini": r"remini\b",
    "Reface": r"reface(?: app| ai|$)",
    "Lensa": r"lensa\b",
    "YouCam": r"youcam\b",
    "BeautyPlus": r"beauty ?plus\b",
    "Meitu": r"(?:meitu|美图)",
    "AirBrush": r"airbrush(?: app| \d|$)",
    "DeepFaceLab": r"deepfacelab\b",
    "FaceFusion": r"facefusion\b",
}

EDITORS = {
    "Adobe Lightroom": r"adobe (?:photoshop )?lightroom\b|lightroom\b",
    "Adobe Photoshop": r"adobe photoshop\b|photoshop\b",
    "Adobe Camera Raw": r"adobe camera raw\b",
    "GIMP": r"(?:the )?gimp\b|gnu image manipulation",
    "Snapseed": r"snapseed\b",
    "Affinity": r"affinity\b",
    "Pixelmator": r"pixelmator\b",
    "Paint.NET": r"paint\.net\b",
    "Capture One": r"capture one\b",
    "darktable": r"darktable\b",
    "RawTherapee": r"rawtherapee\b",
    "Luminar": r"luminar\b",
    "DxO PhotoLab": r"dxo\b",
    "PaintShop Pro": r"(?:corel )?paint ?shop ?pro\b",
    "Topaz": r"topaz\b",
    "Photopea": r"photopea\b",
    "Pixlr": r"pixlr\b",
    "Canva": r"canva\b",
    "PicsArt": r"picsart\b",
    "VSCO": r"vsco\b",
    "Fotor": r"fotor\b",
    "PhotoScape": r"photoscape\b",
    "Polarr": r"polarr\b",
    "Photoleap": r"photoleap\b",
    "Krita": r"krita\b",
    "Picasa": r"picasa\b",
    "ACDSee": r"acdsee\b",
    "Windows Photo Editor": r"windows photo (?:editor|gallery)\b|microsoft windows photo",
}

GENERATING_NODE = re.compile(r"sampler|checkpoint|unet|diffusion|vae ?decode|latent|flux|cliptextencode", re.I)
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def named(table: dict[str, str], text: str) -> str | None:
    """The program of `table` whose name `text` begins with."""
    text = text[:200].strip()
    for name, pattern in table.items():
        if re.match(rf"(?:{MADE_WITH})?(?:{pattern})", text, re.I):
            return name
    return None

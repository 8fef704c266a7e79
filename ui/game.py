"""The tab "Game": real or forged? The visitor guesses, then the detector, and then the truth is told.

The truth leaves the server only in exchange for a guess, which counts. Games are kept here under a random token, which
is all that the browser holds; pictures are sent as pixels, without name or metadata.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from detector import Detector, Verdict, cutout, messages
from detector.result import ModelInfo
from ui import errors, pictures
from ui.answer import LABELS
from ui.components import LIVE, figure_html, lead_html, picture_html, score_words
from ui.icons import TONES, icon
from ui.rounds import Answer, Game, Games, Round

log = logging.getLogger(__name__)

_LONGEST = 640  # side in pixels of a picture shown

_LEAD = lead_html(
    "Can you beat the model?",
    "Real photograph or forgery? You guess, the detector guesses, and then you see the truth, what the detector looked "
    "at, and what would have given it away.",
)
RULES = f"""<section class="page panel rules" aria-label="The rules"><h2>How it works</h2><ul>
<li>One picture a round, about half of them forged. You can guess with the keys <kbd>R</kbd> (real) and <kbd>F</kbd>
(forged), and go on with <kbd>N</kbd>.</li>
<li>A right guess is one point. The detector sees the same pictures. It never calls a picture real, but here it has to
bet as you do: “{messages.VERDICTS[Verdict.NO_SIGNS]}” counts as a guess of “real”, and is wrong where the picture is
forged.</li>
<li>For “{messages.VERDICTS[Verdict.UNCERTAIN]}”, “{messages.VERDICTS[Verdict.LEANS_FAKE]}” or no face it gets half a
point: what a coin would get, for an honest answer.</li>
<li>Nobody appears twice in a game. Your game goes on after a reload; it is kept for a while under a random number
and nothing else about you is.</li></ul></section>"""
FORGOTTEN = "Your earlier game is no longer kept here, so a new one begins."

_MOTION = "matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth'"
_SHOW_ANSWER = f"""() => {{ const told = document.querySelector('#told [tabindex]'); if (!told) return;
told.focus({{preventScroll: true}}); told.scrollIntoView({{block: 'nearest', behavior: {_MOTION}}}) }}"""
_SHOW_PICTURE = f"""() => document.querySelector('#status').scrollIntoView({{block: 'nearest', behavior: {_MOTION}}})"""
# What is shared leads back to this page.
_SHOW_SUMMARY = """text => { document.querySelector('#summary [tabindex]')?.focus();
return text && !text.includes('://') ? `${text}\\n${location.origin}${location.pathname}` : text }"""
# Pressing a key is pressing its button, which is only there, and only enabled, when it is its turn.
_KEYS = """() => { if (window.gameKeys) return; window.gameKeys = true;
const buttons = {r: ['guess-real'], f: ['guess-fake'], n: ['following', 'finish']};
document.addEventListener('keydown', event => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (event.target.closest('input, textarea, select, [contenteditable=""], [contenteditable=true]')) return;
  for (const id of buttons[event.key.toLowerCase()] ?? []) {
    const button = document.getElementById(id);
    if (button && button.offsetParent !== null && !button.disabled) { event.preventDefault(); button.click(); return }
  } }) }"""

WAITING = f"""<section class="page panel verdict told wait"><div class="top">{icon("wait")}<h2>Real or forged?</h2>
</div><p class="plain">Look at the edge of the face, the eyes, the light and the grain. The answer appears here.</p>
</section>"""


def build(detector: Callable[[], Detector]) -> None:
    """Lay the tab out in the `gr.Blocks` that is open. `detector` is called when the first game begins."""
    _Tab(detector).connect()


class _Tab:
    """The tab's components, and what happens in them."""

    def __init__(self, detector: Callable[[], Detector]) -> None:
        self.detector = detector
        self.gallery = functools.cache(lambda: pictures.configured(lambda file: detector().preview(file, 1)))
        # Kept by what the model is called: to keep a Detector is to keep its processes.
        self.judged = functools.lru_cache(2 * pictures.MOST)(self.judge)
        self.games = Games(self.gallery, lambda index: self.judged(index, detector().model.info))
        gr.HTML(_LEAD)
        # The token says nothing by itself: with a secret of each process, that of another could not be told from none.
        self.kept = gr.BrowserState(None, storage_key="game", secret="game")
        with gr.Column() as self.start:
            gr.HTML(RULES)
            self.begin = gr.Button("Play", variant="primary", size="lg", elem_id="play")
        with gr.Column(visible=False, elem_id="rounds") as self.rounds:
            self.status = gr.HTML(html_template=LIVE, elem_id="status")
            with gr.Row(equal_height=False):
                with gr.Column(scale=6, min_width=290):
                    self.stage = gr.HTML(elem_id="stage")
                    with gr.Row(elem_classes="guesses"):
                        big: dict[str, Any] = {"size": "lg", "min_width": 90}
                        main: dict[str, Any] = {"variant": "primary", **big}
                        self.guess_real = gr.Button("Real (R)", elem_id="guess-real", **big)
                        self.guess_fake = gr.Button("Forged (F)", elem_id="guess-fake", **big)
                        self.following = gr.Button("Next (N)", interactive=False, elem_id="following", **main)
                        self.finish = gr.Button("Result (N)", visible=False, elem_id="finish", **main)
                with gr.Column(scale=6, min_width=290):
                    self.told = gr.HTML(WAITING, elem_id="told")
        with gr.Column(visible=False, elem_id="end") as self.end:
            self.result = gr.HTML(elem_id="summary")
            self.share = gr.Textbox(label="To share", lines=3, interactive=False, buttons=["copy"], elem_id="share")
            self.again = gr.Button("Play again", variant="primary", size="lg", elem_id="again")

    def connect(self) -> None:
        """What the components do."""
        kept, page = self.kept, [self.kept, self.start, self.rounds, self.end, self.status, self.stage]
        page += [self.guess_real, self.guess_fake, self.following, self.finish, self.told]
        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        kept.change(self.greet, kept, self.begin, queue=False, **hidden)  # also when the browser has found it
        self.begin.click(self.play, kept, page, **hidden).then(None, js=_KEYS)
        for button, guess in ((self.guess_real, self.real), (self.guess_fake, self.fake)):
            button.click(guess, kept, page, concurrency_id="judge", **hidden).then(None, js=_SHOW_ANSWER)
        gr.on([self.following.click, self.again.click], self.go_on, kept, page, **hidden).then(None, js=_SHOW_PICTURE)
        self.finish.click(self.summary, kept, [*page, self.result, self.share], **hidden).then(
            None, self.share, self.share, js=_SHOW_SUMMARY
        )

    def judge(self, index: int, _by: ModelInfo) -> Answer:
        result = self.detector().detect(self.gallery()[index].file)
        shown = (cutout.of_face(face, result, self.detector().model) for face in result.faces)
        return Answer(result.verdict, result.score, *next(shown, (None, None)))

    def greet(self, token: Any) -> Any:
        return f"Continue with picture {at}" if (at := self.games.at(token)) else gr.skip()

    def play(self, token: Any) -> dict[Any, Any]:
        return self.show(token, lambda game: None)

    def real(self, token: Any) -> dict[Any, Any]:
        return self.show(token, lambda game: self.games.guess(game, False))

    def fake(self, token: Any) -> dict[Any, Any]:
        return self.show(token, lambda game: self.games.guess(game, True))

    def go_on(self, token: Any) -> dict[Any, Any]:
        return self.show(token, self.games.go_on)

    def summary(self, token: Any) -> dict[Any, Any]:
        token, game = self.games.find(token)
        if not game.over:
            return self.show(token, lambda game: None)
        return {
            self.kept: token,
            self.rounds: gr.Column(visible=False),
            self.end: gr.Column(visible=True),
            self.result: summary_html(game, self.gallery()),
            self.share: share_text(game),
        }

    def show(self, token: Any, act: Callable[[Game], None]) -> dict[Any, Any]:
        """The page as it is for a game after `act`; a new game where there is none, for nobody has seen its picture."""
        try:
            found, game = self.games.find(token)
            if found == token:
                act(game)
            number = len(game.played) + game.waiting
            last = number == len(game.order)
            shown = self.gallery()[game.order[number - 1]]
            pixels = self.detector().preview(shown.file, _LONGEST)[1]
            told = WAITING if game.waiting else answer_html(game.played[-1], shown)
            stage = picture_of(pixels, f"Picture {number} of {len(game.order)}")
        except Exception as error:
            log.error("A round of the game failed", exc_info=error)
            raise gr.Error(errors.UNEXPECTED, print_exception=False) from None
        return {
            self.kept: found,
            self.start: gr.Column(visible=False),
            self.rounds: gr.Column(visible=True),
            self.end: gr.Column(visible=False),
            self.status: status_html(game, FORGOTTEN if token and found != token else ""),
            self.stage: stage,
            self.guess_real: gr.Button(interactive=game.waiting),
            self.guess_fake: gr.Button(interactive=game.waiting),
            self.following: gr.Button(interactive=not game.waiting, visible=not (last and not game.waiting)),
            self.finish: gr.Button(visible=last and not game.waiting),
            self.told: told,
        }


def picture_of(pixels: np.ndarray, alt: str) -> str:
    """The picture of a round as HTML: pixels only, all scaled and encoded alike."""
    return f'<div class="page stage">{picture_html(pixels, alt)}</div>'


def points(value: float) -> str:
    """A score in words: 7½ for 7.5."""
    whole, half = divmod(value, 1)
    return (f"{whole:.0f}" if whole or not half else "") + ("½" if half else "")


def status_html(game: Game, note: str = "") -> str:
    """Which picture it is, how it stands, and what else there is to say of the game."""
    number = len(game.played) + game.waiting
    said = f'<p class="note">{note}</p>' if note else ""
    return (
        f'<div class="page status"><p><b>Picture {number} of {len(game.order)}</b></p>'
        f"<p>You <b>{game.score}</b></p><p>Detector <b>{points(game.model_score)}</b></p>"
        f"<p>Streak <b>{game.streak}</b></p>{said}</div>"
    )


def answer_html(played: Round, shown: pictures.Shown) -> str:
    """The truth about a picture, both guesses, the detector's heat map, and what to look at."""
    tone = "fake" if played.is_fake else "real"
    truth = "It is a forgery" if played.is_fake else "It is a real photo"
    mine = f"You said {_guessed(played.guess)}: {'right' if played.right else 'wrong'}."
    look = "What gives it away" if played.is_fake else "What to look at"
    told = [("How it was made", shown.made), (look, shown.caption), ("The picture", shown.source)]
    facts = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in told if text)
    return (
        f'<section class="page panel verdict told {tone}" data-truth="{tone}" data-right="{str(played.right).lower()}">'
        f'<div class="top" tabindex="-1">{icon(tone)}<h2>{truth}</h2></div><p class="plain">{mine}</p>'
        f"{_model_html(played)}<dl>{facts}</dl></section>"
    )


def _model_html(played: Round) -> str:
    answer = played.answer
    gained = {0.0: "wrong", 0.5: "half a point", 1.0: "right"}[answer.points(played.is_fake)]
    bet = ", a bet on real" if answer.verdict is Verdict.NO_SIGNS else ""
    scored = "" if answer.score is None else f" Score: {score_words(answer.score)} of 100."
    seen = ""
    if answer.face:
        seen = figure_html(answer.face, "The face that the detector judged", "The face")
        if answer.traces:
            alt = "The face with the traces of a forgery marked in colour"
            seen += figure_html(answer.traces, alt, LABELS["traces"])
        seen = f'<div class="pair">{seen}</div>'
    shape = icon(TONES[answer.verdict])
    return (
        f'<div class="model" data-model="{answer.verdict}"><p class="said">{shape}<span>Detector: '
        f"<b>{messages.VERDICTS[answer.verdict]}</b>{bet} – {gained}.{scored}</span></p>{seen}</div>"
    )


def summary_html(game: Game, gallery: Sequence[pictures.Shown]) -> str:
    """Both scores and one line for each round."""
    mine, models = game.score, game.model_score
    forged = sum(played.is_fake for played in game.played)
    if mine > models:
        headline = "You beat the detector"
    elif forged and not game.caught:  # half points for every picture are no lead
        headline = "The detector caught no forgery"
    else:
        headline = "A draw with the detector" if mine == models else "The detector was ahead"
    mine_caught = sum(played.is_fake and played.right for played in game.played)
    caught = f" Of {forged} forgeries you caught {mine_caught}, the detector {game.caught}." if forged else ""
    rows = "".join(_row_html(number, played, gallery) for number, played in enumerate(game.played, 1))
    return (
        f'<section class="page panel summary"><h2 tabindex="-1">{headline}</h2>'
        f'<p class="plain">You had <b>{mine}</b> of {len(game.order)} right, the detector got '
        f"<b>{points(models)}</b>.{caught}</p>"
        f'<ol aria-label="Round by round">{rows}</ol><p class="soft">A few pictures say little about how good the '
        "detector is; its model card has figures from thousands.</p></section>"
    )


def _row_html(number: int, played: Round, gallery: Sequence[pictures.Shown]) -> str:
    tone = "fake" if played.is_fake else "real"
    source = gallery[played.shown].source.split(",")[0]
    name = f" – {escape(source)}" if source else ""
    truth = _guessed(played.is_fake).capitalize()
    return (
        f'<li><span class="number">{number}</span>{icon(tone)}<span><b>{truth}</b>{name}'
        f'<br><span class="soft">You: {_guessed(played.guess)}, {"right" if played.right else "wrong"}. '
        f"Detector: “{messages.VERDICTS[played.answer.verdict]}”.</span>"
        "</span></li>"
    )


def _guessed(fake: bool) -> str:
    return "forged" if fake else "real"


def share_text(game: Game) -> str:
    """Both scores, and a mark for each round: filled for right."""
    marks = "".join("●" if played.right else "○" for played in game.played)
    return (
        f"Can you beat the model? I had {game.score} of {len(game.order)} right, the deepfake detector got "
        f"{points(game.model_score)}.\n{marks}"
    )

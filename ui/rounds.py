"""The rounds of a game: which pictures are shown, who guessed what, and the points."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from detector import Verdict
from ui import pictures

ROUNDS = 20  # of a game, at most
KEPT_GAMES = 5000  # the oldest is forgotten first
_DEALS = 200
_random = secrets.SystemRandom()  # nobody can work out the order


@dataclass(frozen=True)
class Answer:
    """What the detector says of one picture; `face` and `traces` show its most suspicious face, if any."""

    verdict: Verdict
    score: float | None
    face: Image.Image | None
    traces: Image.Image | None

    def points(self, is_fake: bool) -> float:
        """1 for right, 0 for wrong, 0.5 where it does not decide. No signs of forgery are a bet on "real"."""
        if self.verdict in (Verdict.LEANS_FAKE, Verdict.UNCERTAIN, Verdict.NO_FACE):
            return 0.5
        return float((self.verdict is Verdict.LIKELY_FAKE) == is_fake)


@dataclass(frozen=True)
class Round:
    """A round that was played: `shown` is the picture's index in the gallery, `guess` True for forged."""

    shown: int
    guess: bool
    is_fake: bool
    answer: Answer = field(repr=False)

    @property
    def right(self) -> bool:
        return self.guess == self.is_fake


@dataclass
class Game:
    """`order` are the pictures of this game; `seen` those of the games before it, too. `waiting` says that the round
    after the played ones is on show and was not guessed yet."""

    order: list[int]
    seen: set[int]
    played: list[Round] = field(default_factory=list)
    waiting: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def over(self) -> bool:
        return len(self.played) == len(self.order) and not self.waiting

    @property
    def score(self) -> int:
        return sum(played.right for played in self.played)

    @property
    def model_score(self) -> float:
        return sum(played.answer.points(played.is_fake) for played in self.played)

    @property
    def caught(self) -> int:
        """How many of the forgeries the detector called likely forged."""
        return sum(played.is_fake and played.answer.points(True) == 1 for played in self.played)

    @property
    def streak(self) -> int:
        """Right guesses in a row, up to now."""
        wrong = [number for number, played in enumerate(self.played, 1) if not played.right]
        return len(self.played) - (wrong[-1] if wrong else 0)


class Games:
    """The games of all visitors, each under its token. Thread-safe."""

    def __init__(self, gallery: Callable[[], Sequence[pictures.Shown]], judge: Callable[[int], Answer]) -> None:
        self._gallery, self._judge = gallery, judge
        self._games: OrderedDict[str, Game] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, token: Any) -> tuple[str, Game]:
        """The game of `token`, or a new one under a new token where there is none."""
        with self._lock:
            if isinstance(token, str) and token in self._games:
                self._games.move_to_end(token)
                return token, self._games[token]
            token = secrets.token_urlsafe(24)
            self._games[token] = self._new(set())
            while len(self._games) > KEPT_GAMES:
                self._games.popitem(last=False)
            return token, self._games[token]

    def at(self, token: Any) -> int:
        """The number of the picture that the game of `token` is at; 0 where none is going on."""
        game = self._games.get(token) if isinstance(token, str) else None
        return len(game.played) + game.waiting if game and game.played and not game.over else 0

    def guess(self, game: Game, is_fake: bool) -> None:
        """Count a guess at the picture on show. Where none is on show, nothing happens: a second click is no guess."""
        with game.lock:
            if not game.waiting:
                return
            shown = game.order[len(game.played)]
            game.played.append(Round(shown, is_fake, self._gallery()[shown].is_fake, self._judge(shown)))
            game.waiting = False

    def go_on(self, game: Game) -> None:
        """Show the next picture, or start over after the last. Nothing happens before the guess."""
        with game.lock:
            if game.waiting:
                return
            if len(game.played) == len(game.order):
                fresh = self._new(game.seen)
                game.order, game.seen, game.played = fresh.order, fresh.seen, []
            game.waiting = True

    def _new(self, seen: set[int]) -> Game:
        """Pictures in a random order, nobody in two of them and about half of them forged; those that were not `seen`
        before all others."""
        gallery = self._gallery()
        unseen = set(range(len(gallery))) - seen
        if not unseen:
            seen, unseen = set(), seen

        def lopsided(order: list[int]) -> int:
            return abs(sum(1 if gallery[index].is_fake else -1 for index in order))

        order = min((self._dealt(unseen, seen) for _ in range(_DEALS)), key=lopsided)
        return Game(order, seen | set(order))

    def _dealt(self, *decks: set[int]) -> list[int]:
        people: set[str] = set()
        order: list[int] = []
        for deck in decks:
            for index in _random.sample(sorted(deck), len(deck)):
                person = self._gallery()[index].person
                if person not in people and len(order) < ROUNDS:
                    people.add(person)
                    order.append(index)
        _random.shuffle(order)
        return order

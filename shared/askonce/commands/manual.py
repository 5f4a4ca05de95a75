"""What `askonce --help` and `askonce COMMAND --help` teach: pages as data, laid out for a terminal of 80 columns.

It imports nothing of the rest: help has to come at once. A test runs every example through the parser and looks every
variable up among the settings.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_WIDTH: Final = 29  # of the left column

Rows = tuple[tuple[str, str], ...]

WHAT_IT_IS: Final = """\
A caching proxy for LLM APIs: every question is asked once.
It speaks OpenAI's API and reads LiteLLM's config.yaml as it is. Answers are kept
in memory, on disk, in Redis, S3 or Qdrant, and serve whoever asks the same again.
"""

FIRST_STEPS: Final[Rows] = (
    ("askonce demo", "see a miss, a hit and a streamed hit; no API key needed"),
    ("askonce up", "OpenAI behind a disk cache, http://127.0.0.1:4000/v1"),
    ("askonce check --config FILE", "what of a config.yaml is in force, and what answers"),
    ("askonce up --config FILE", "the same as `up`, with LiteLLM's config.yaml"),
)

_DONE: Final = ("0", "it was stopped by SIGTERM or Ctrl-C, and everything under way is done")
_WRONG: Final = ("2", "wrong arguments or settings; the line on stderr names file, key and reason")
_INSISTED: Final = ("130", "Ctrl-C before it had started, or a second one that does not wait")

EXITS: Final[Rows] = (
    ("0", "done"),
    ("1", "a part could not start or cannot be reached"),
    ("2", "wrong arguments or settings"),
    ("130", "Ctrl-C"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """The help of one command. `short` is its line in the list of all; that and `does` stand above its options, the
    rest below. `variables` are the settings that matter most to it.
    """

    name: str
    short: str
    does: str
    needs: str
    examples: Rows
    variables: Rows = ()
    exits: Rows = EXITS

    @property
    def description(self) -> str:
        """Its first line is all that some shells show of it."""
        return f"{self.short[0].upper()}{self.short[1:]}.\n\n{self.does}"

    @property
    def epilog(self) -> str:
        parts = [f"needs:\n  {self.needs}"]
        if self.variables:
            parts.append(
                f"settings, as variables (an option wins; all: docs/configuration.md):\n{rows(self.variables)}"
            )
        parts += [f"examples:\n{_examples(self.examples)}", f"exit codes:\n{rows(self.exits, 6)}"]
        return "\n\n".join(parts) + "\n"


UP: Final = Page(
    "up",
    "run the whole proxy on this machine",
    """\
It has its own NATS server, writers, and frontends behind one port. A part that
dies is started again. Ctrl-C stops it in order: requests first, then the queue.
Answers that are kept survive a restart.""",
    "nothing: without a config file each client's own OpenAI key pays.",
    (
        ("askonce up", "the smallest one: OpenAI, a disk cache, port 4000"),
        ("askonce up --config config.yaml --frontends 4", "LiteLLM's file, four frontend processes"),
        ("askonce up --host 0.0.0.0 --port 8080", "for other machines too; set a master key first"),
    ),
    (
        ("ASKONCE_HOST, ASKONCE_PORT", "where it listens"),
        ("ASKONCE_FRONTENDS, ASKONCE_WRITERS", "how many processes of each"),
        ("ASKONCE_DATA_DIR", "the queue and the disk store (.askonce)"),
        ("ASKONCE_MASTER_KEY", "the key that clients must show"),
        ("ASKONCE_LOG_LEVEL", "debug, info, warning or error"),
    ),
    (_DONE, ("1", "a part could not start"), _WRONG, _INSISTED),
)

DEMO: Final = Page(
    "demo",
    "run the proxy before a built-in toy provider, without an API key",
    """\
The whole proxy is started and asked three times, and you see how long a miss, a
hit and a streamed hit take. On a terminal it then goes on until Ctrl-C, so that
you can ask it yourself. It leaves nothing behind.""",
    "nothing; it reads no config file and no variable.",
    (("askonce demo", ""),),
    (),
    (_DONE, ("1", "a part could not start"), _INSISTED),
)

FRONTEND: Final = Page(
    "frontend",
    "run one frontend, which answers from the cache or asks the provider",
    """\
It takes requests, answers hits, asks the provider for misses, and puts what is
to be kept on the queue; it never writes to the store. Run as many as you like
behind a balancer: they share the queue and the store.
Doors: /v1, /metrics, /health/liveliness, /health/readiness.""",
    "a NATS server with JetStream (it waits for one), and an `askonce writer`.",
    (
        ("askonce frontend --nats nats://127.0.0.1:4222", "beside a NATS server of yours"),
        ("askonce frontend --config config.yaml --host 0.0.0.0 --port 4000", "as in a container"),
    ),
    (
        ("ASKONCE_NATS_URL", "the NATS server"),
        ("ASKONCE_NATS_USER, ASKONCE_NATS_PASSWORD", "its login, where the URL has none"),
        ("ASKONCE_HOST, ASKONCE_PORT", "where it listens"),
        ("ASKONCE_MASTER_KEY", "the key that clients must show"),
        ("ASKONCE_SHUTDOWN_DELAY", "seconds it still serves after SIGTERM, not ready"),
        ("ASKONCE_DRAIN_SECONDS", "seconds for what is under way then"),
        ("ASKONCE_SECRETS_DIR", "a folder of files that are variables"),
    ),
    (_DONE, ("1", "it could not start"), _WRONG, _INSISTED),
)

WRITER: Final = Page(
    "writer",
    "run one writer, which takes answers from the queue into the store",
    """\
It writes in batches, and tries again what failed. Run more where one is not
enough: they share the work.""",
    "a NATS server with JetStream (it waits for one), and a store that is shared.",
    (
        ("askonce writer --nats nats://127.0.0.1:4222", "beside a NATS server of yours"),
        ("askonce writer --config config.yaml --nats nats://127.0.0.1:4222", "with LiteLLM's file"),
    ),
    (
        ("ASKONCE_NATS_URL", "the NATS server"),
        ("ASKONCE_NATS_USER, ASKONCE_NATS_PASSWORD", "its login, where the URL has none"),
        ("ASKONCE_METRICS_PORT", "/metrics and /health/liveliness; none without it"),
        ("ASKONCE_SECRETS_DIR", "a folder of files that are variables"),
    ),
    (_DONE, ("1", "it could not start"), _WRONG, _INSISTED),
)

CHECK: Final = Page(
    "check",
    "show the settings in force, and whether every backend answers",
    """\
It says what of the file works, what is ignored and why, and tries to reach the
store, the queue, the embedder and the providers. It changes nothing, and shows no
key and no password.""",
    "nothing; it reads what `up`, `frontend` and `writer` would read.",
    (
        ("askonce check", "without a config file"),
        ("askonce check --config config.yaml", "before a deployment, or after `it does not work`"),
    ),
    (("ASKONCE_NATS_URL", "the NATS server, if it is not `up`'s own"), ("OPENAI_API_KEY", "where there is no file")),
    (("0", "everything answers"), ("1", "something does not: the lines with FAIL"), _WRONG, ("130", "Ctrl-C")),
)

VERSION: Final = Page(
    "version",
    "show the versions of askonce and of what it runs on",
    """\
It belongs into every bug report. It starts nothing and reads no settings.""",
    "nothing.",
    (("askonce version", "one line"), ("askonce version --json", "the same as a JSON object")),
    (),
    (("0", "done"),),
)

TOY: Final = Page(
    "toy",
    "run the toy provider by itself, to try a stack without an API key",
    """\
It speaks OpenAI's API, and its answers follow from the question. It takes any
key. GET /toy/calls tells how often it was asked.

By the name of the model it does something wrong:
  toy-error-429, toy-error-503, …   that status
  toy-flaky                         every second request is a 503
  toy-slow                          three seconds before the first byte
  toy-huge, toy-empty               2 MiB; no choices
  toy-malformed, toy-no-usage       JSON that is cut off; a stream without usage
  toy-truncated, toy-stream-error   a stream that ends early; an error in it
  toy-broken-stream                 a connection that dies in the middle
Any other name is answered. Embeddings follow from their text alone; those of
toy-embedding-words are near each other where texts share words.""",
    "nothing.",
    (
        ("askonce toy", "on http://127.0.0.1:4010/v1"),
        ("askonce toy --host 0.0.0.0 --latency 0.05", "for containers beside it, and faster"),
    ),
    (),
    (_DONE, ("2", "wrong arguments, or the port is taken"), ("130", "Ctrl-C before it had started")),
)

COMPLETION: Final = Page(
    "completion",
    "print a script that completes commands, options and files",
    """\
It teaches your shell what may follow `askonce`, and paths after --config.""",
    "bash, zsh, tcsh or fish.",
    (
        ("askonce completion bash", 'in ~/.bashrc: eval "$(askonce completion bash)"'),
        ("askonce completion zsh", 'in ~/.zshrc, below compinit: eval "$(askonce completion zsh)"'),
        ("askonce completion fish", "kept as ~/.config/fish/completions/askonce.fish"),
    ),
    (),
    (("0", "done"), ("2", "a shell that is not known")),
)

GROUPS: Final[tuple[tuple[str, tuple[Page, ...]], ...]] = (
    ("run it", (UP, DEMO)),
    ("run its parts, on as many machines as you like", (FRONTEND, WRITER)),
    ("look at it", (CHECK, VERSION)),
    ("try it", (TOY,)),
    ("shell", (COMPLETION,)),
)
OPTIONS: Final[Rows] = (
    ("-h, --help", "this text; `askonce COMMAND --help` tells more"),
    ("--version", "versions, as `askonce version`"),
)


def overview(usage: str) -> str:
    """The text of `askonce --help`. `usage` is argparse's own line, with its line break."""
    parts = [usage.rstrip("\n"), WHAT_IT_IS.rstrip("\n")]
    parts += [f"{title}:\n" + rows(((page.name, page.short) for page in pages), 12) for title, pages in GROUPS]
    parts += [f"options:\n{rows(OPTIONS, 12)}", f"first steps:\n{rows(FIRST_STEPS)}", f"exit codes:\n{rows(EXITS, 6)}"]
    return "\n\n".join(parts) + "\n"


def rows(pairs: Iterable[tuple[str, str]], width: int = _WIDTH) -> str:
    """Two columns; where the left one is too wide, the right one begins a line of its own."""
    lines = []
    for left, right in pairs:
        fits = len(left) < width
        lines.append(f"  {left:<{width}}{right}" if fits else f"  {left}\n  {'':<{width}}{right}")
    return "\n".join(line.rstrip() for line in lines)


def _examples(examples: Rows) -> str:
    """Each command on a line of its own, so that it can be copied, below what it is for."""
    return "\n".join(f"  # {what}\n  {line}" if what else f"  {line}" for line, what in examples)

"""Command lines drawn at random from Hydra's grammar of overrides, hostile values among them."""

import random
import re

KEYS = re.split(
    r"\|",
    (
        "training.epochs|training.batch_size|training.learning_rate|training.momentum|"
        "training.dtype|training.cost|training.schedule|network.hidden|network.activation|"
        "network.weights|preprocess.method|preprocess.epsilon|split.train|split.seed|"
        "split.method|data.name|seeds|seed|study|output|test|dry_run|tracking.uri|tracking.live|"
        "data|preprocess|network|training|experiment|tracking|nix|training.nix|training|hydra|"
        "hydra/launcher|hydra/sweeper|hydra.mode|hydra.callbacks|hydra.callbacks.around|"
        "hydra.callbacks.around._target_|hydra.launcher.n_jobs|hydra.launcher._target_|"
        "hydra.sweeper._target_|hydra.sweeper.max_batch_size|hydra.sweeper.params|"
        "hydra.sweeper.params.seed|hydra.sweep.dir|hydra.sweeper.storage|hydra.sweeper.n_trials|hydra.sweep.subdir|hydra.output_subdir|"
        "hydra.job.chdir|hydra.job.name|hydra.verbose|hydra.run.dir|hydra.searchpath"
    ),
)
VALUES = re.split(
    r"\|",
    (
        "0|1|2|-1|3,4|0.1|0.1,0.2|1e-1,0.1|0.0,-0.0|010|1_0|1e99|nan|inf|true|no|null||'1'|\"\"|"
        "'|[]|[1]|[[1]]|[0,1],[2,3]|{}|{a: 1}|{a: {b: 1}}|${study}|${nix}|${seeds}|"
        "${oc.env:HOME}|${oc.env:NIX}|${root:}|${join:${seeds}}|${tracking_uri:}|${|choice(1,2)|"
        "choice()|choice(raw,whiten)|range(0)|range(1,3)|range(1,3,0)|range(100000000)|"
        "range(2,0,-1)|interval(0,1)|glob(*)|glob(x*)|sort(3,1)|sort(raw,whiten,reverse=true)|"
        "shuffle(1,2)|tag(a,choice(1))|int(1.5)|float(x)|str([1,2])|json_str(1)|extend_list(1)|"
        "a=b|a,b|,|1,|é|\\|\\,|x y|/|..|~|a@b|@|:|#|%|digits|mnist|raw|standardise|raw,raw|"
        "raw,standardise|demo|demo,lecture|preprocessing|small|halving|float64|float32,float64|"
        "basic|local|slurm|ray|search|optuna|MULTIRUN|RUN|runs|relu|identity|os.system|"
        "pipeline.sweep.launch.train_job|\x1b[31m|http://user:secret@host|sqlite:///${study}"
    ),
)
FLAGS = re.split(
    r"\|",
    (
        "--multirun|-m|--run|-r|--help|-h|--cfg|--cfg=job|-c|--foo|-x|--|-|--config-name=nix|"
        "-cd=/|--experimental-rerun=nix|--shell-completion|-sc|--info|--version|--hydra-help|"
        "--resolve"
    ),
)
LIKELY = {
    "training.epochs": "1|2|1,2|range(1,3)|01",
    "training.batch_size": "20|50,100|choice(20,30)",
    "training.learning_rate": "0.1|1e-1|0.1,0.01|1e6|.1",
    "training.momentum": "0|0.5|0.0,0.5|0.9999",
    "training.dtype": "float32|float32,float64",
    "network.hidden": "[4]|[4,4]|[4],[8]|[4,8],[8]",
    "preprocess.method": "raw|raw,standardise|choice(raw,standardise)",
    "preprocess": "raw|raw,standardise|glob(*)",
    "seeds": "[0]|[1,2]|[2]",
    "seed": "0|1,2|range(2)|choice(4,5)|shuffle(1,2)|'3'",
    "study": "other|'a b'|é",
    "test": "true",
    "hydra/launcher": "basic|local",
    "hydra/sweeper": "basic|search",
    "hydra.launcher.n_jobs": "1|2|-1",
    "hydra.sweeper.max_batch_size": "1|2",
    "hydra.mode": "MULTIRUN",
    "hydra.sweeper.params.seed": "1|1,2",
    "hydra.sweep.dir": "sweeps/here|sweeps/${study}",
    "hydra.job.chdir": "true",
    "output": "runs",
}
# So that what is trained takes no time; what is drawn may say otherwise.
SMALL = (
    "training.epochs=1",
    "network.hidden=[4]",
    "seeds=[0,1]",
    "hydra/launcher=basic",
    "tracking.live=false",
)


def command_line(rng: random.Random) -> list[str]:
    """Return words after `python -m pipeline.stages.train`."""
    words = [_override(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    if rng.random() < 0.05:
        words.insert(rng.randrange(len(words) + 1), rng.choice(FLAGS))
    return [*SMALL, *words]


def _override(rng: random.Random) -> str:
    if rng.random() < 0.03:
        return rng.choice(VALUES)
    prefix = rng.choices(("", "+", "++", "~"), (90, 4, 4, 2))[0]
    key = rng.choice(KEYS)
    package = "@nix" if rng.random() < 0.02 else ""
    values = LIKELY[key].split("|") if key in LIKELY and rng.random() < 0.7 else VALUES
    return f"{prefix}{key}{package}={rng.choice(values)}"

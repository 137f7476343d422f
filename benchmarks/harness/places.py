"""Where things are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BENCHMARKS = ROOT / "benchmarks"
PROGRAMS = ROOT / "target" / "release"
# Everything that a run makes, but for the report of a whole one.
WORK = ROOT / "target" / "bench"
LOGS = WORK / "logs"
RESULTS = WORK / "results.json"
ENVIRONMENTS = WORK / "environments"
OHA = WORK / "oha" / "bin" / "oha"
PREDICT_LUA = BENCHMARKS / "peers" / "predict.lua"
NOTES = BENCHMARKS / "notes.md"

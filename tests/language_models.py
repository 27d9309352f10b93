"""Language models that are real, if tiny or wicked, and a server to reach them by."""

import http.server
import json
import re
import threading
from contextlib import contextmanager

from commonwatt.clinic.engines.language import ClinicalNote
from commonwatt.clinic.engines.language.baseline import NgramBaseline
from commonwatt.clinic.engines.language.prompts import DETECT, SUMMARISE


def _inside(prompt, form):
    before, after = form.split("{note}")
    ours = prompt.startswith(before) and prompt.endswith(after)
    return prompt[len(before) : len(prompt) - len(after)] if ours else None


class Lazy:
    """Answers the same whatever it is shown."""

    name = "lazy"

    def __call__(self, prompt):
        return "CORRECT" if _inside(prompt, DETECT) else "The patient is stable and doing well."


class Inventor:
    """Tells a true first sentence and one that stands in no note."""

    name = "inventor"

    def __call__(self, prompt):
        note = _inside(prompt, SUMMARISE)
        if note is None:
            return "CORRECT"
        return f"{note.split('. ')[0]}. Troponin was 77.31 with elevated zygomatic lipase."


class Cheat:
    """Knows the key of the notes: what a model that was trained on the test set looks like."""

    name = "cheat"

    def __init__(self, notes):
        self.key = {note.text: note.wrong for note in notes}

    def __call__(self, prompt):
        listed = _inside(prompt, DETECT)
        if listed is None:
            return _inside(prompt, SUMMARISE) or ""
        text = " ".join(re.sub(r"^\d+ ", "", line) for line in listed.splitlines())
        wrong = self.key[text]
        return "CORRECT" if wrong is None else str(wrong)


def made_notes(count=60):
    """Return notes of `count` cases, each with a twin that says the wrong drug."""
    drugs = ("heparin", "warfarin", "insulin", "aspirin", "digoxin", "lithium", "metformin")
    signs = ("fever", "cough", "rash", "oedema", "nausea", "vertigo", "dyspnoea", "tremor")
    notes = []
    for i in range(count):
        right, wrong = drugs[i % 7], drugs[(i + 3) % 7]
        start = f"Case {i} is a {20 + i}-year-old gardener with {signs[i % 8]} since {i + 2} days"
        body = {
            0: f"{start} who was seen in clinic {i % 5} of the north wing today.",
            1: f"No {signs[(i + 3) % 8]} or {signs[(i + 5) % 8]} was found.",
            2: f"The pressure was {100 + i}/{60 + i % 20} and the pulse {60 + i % 40}.",
        }
        for drug, flag in ((right, None), (wrong, 3)):
            notes.append(
                ClinicalNote(
                    note_id=f"{i}-{flag}",
                    case=f"case-{i}",
                    sentences=body | {3: f"Treatment with {drug} was started for stroke."},
                    wrong=flag,
                    kind="treatment" if flag else "",
                )
            )
    return notes


def medec_text(notes):
    """Return notes as a MEDEC file."""
    import csv
    import io

    file = io.StringIO()
    names = ["Text ID", "Text", "Sentences", "Error Flag", "Error Type", "Error Sentence ID"]
    writer = csv.DictWriter(file, names)
    writer.writeheader()
    for note in notes:
        lines = "\n".join(f"{n} {sentence}" for n, sentence in note.sentences.items())
        flag = note.wrong is not None
        writer.writerow(dict(zip(names, [note.note_id, note.text, lines, int(flag),
                                         note.kind or "NA", note.wrong if flag else -1],
                                 strict=True)))  # fmt: skip
    return file.getvalue()


@contextmanager
def served(model):
    """Serve a model on loopback through the chat-completions interface."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            text = model(request["messages"][-1]["content"])
            body = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
            self.send_response(200 if self.path.endswith("/chat/completions") else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


__all__ = ["Cheat", "Inventor", "Lazy", "NgramBaseline", "made_notes", "medec_text", "served"]

"""Burned-in text: how much of what identifies is covered, and how many harmless marks stay.

Run: .venv/bin/python bench/sandbox_dicom.py [FIRST LAST]

A box that identifies is covered when 95 % of it is blank. A harmless mark is kept
when 90 % of its box is as it was; the second figure asks for more than half.
"""

import json
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import pydicom

from commonwatt.sandbox.engines.deidentify.dicom import deidentify_dicom_and_count_blanked_lines

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "health" / "dicom" / "burned-in-synthetic"
KEY = b"a secret of a bench, thirty-two "


def cpu_s():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def grey(dataset):
    pixels = dataset.pixel_array
    return pixels.mean(axis=-1) if pixels.ndim == 3 else pixels


def part(image, box):
    left, top, right, bottom = box
    return image[top:bottom, left:right]


def main():
    truths = json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))
    first, last = (
        (int(argument) for argument in sys.argv[1:3]) if len(sys.argv) > 2 else (0, len(truths))
    )
    covered = identifying = tags = 0
    same = []
    began = cpu_s()
    with tempfile.TemporaryDirectory() as folder:
        for truth in truths[first:last]:
            source, to = FOLDER / truth["file"], Path(folder) / truth["file"]
            deidentify_dicom_and_count_blanked_lines(source, to, key=KEY)
            before, after = pydicom.dcmread(source), pydicom.dcmread(to)
            header_text = str(after)
            for tag in truth["phi_tags"]:
                value = before[int(tag.replace(",", ""), 16) if "," in tag else tag].value
                tags += bool(str(value)) and str(value) in header_text
            old, new = grey(before), grey(after)
            for box in truth["phi_boxes"]:
                identifying += 1
                covered += (part(new, box["box"]) == new.min()).mean() >= 0.95
            same += [
                float((part(new, box["box"]) == part(old, box["box"])).mean())
                for box in truth["keep_boxes"]
            ]
    shares = np.array(same)
    intact, most = (shares >= 0.9).sum(), (shares > 0.5).sum()
    print(f"images                     {last - first:>6}")
    print(f"identifying tags left      {tags:>6}")
    print(f"identifying boxes covered  {covered:>6} of {identifying}")
    print(f"harmless marks kept        {intact:>6} of {len(shares)}  {intact / len(shares):.1%}")
    print(f"  more than half of each   {most:>6} of {len(shares)}  {most / len(shares):.1%}")
    print(f"CPU-s an image             {(cpu_s() - began) / (last - first):>6.1f}")


if __name__ == "__main__":
    main()

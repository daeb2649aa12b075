"""What a work-item of Julia's kernels compiles to on the processor, as JSON: LLVM's code by name.

python items.py FLOAT OUT.json

A GPU's compiler gets the same functions with arrays of its own; it can call nothing of Julia's
runtime and computes in the precision that the code has.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from joulia.bridges import julia
from joulia.kernels.equation_of_state import numbers
from joulia.simulation.solve import make_case

real = {"float64": "Float64", "float32": "Float32"}[sys.argv[1]]
case = make_case("heat", "julia", dtype=sys.argv[1])
julia.start(case)
from juliacall import Main  # noqa: E402 -- started by the bridge

constants = ", ".join(f"{name} = {real}({value!r})" for name, value in (
    (name, float(value)) for name, value in numbers(case.dtype).items()
))  # fmt: skip
Main.seval(
    f"""
using InteractiveUtils
const J = JouliaKernels
const T = {real}
const LINE, PLANE, CUBE, ELEMENTS = (Array{{T,n}} for n in (1, 2, 3, 7))
const I = Int
reals(n) = ntuple(_ -> T, n)
const BOX3, BOX7 = NTuple{{3,I}}, NTuple{{6,T}}
items() = Dict(
    "copy" => (J.one_cell, (typeof(J.stream.copy_part), Tuple{{I}}, Tuple{{LINE,LINE}})),
    "triad" => (J.one_cell, (typeof(J.stream.triad_part), Tuple{{I}}, Tuple{{LINE,LINE,LINE,T}})),
    "fma" => (J.one_cell, (typeof(J.stream.fma_cell), Tuple{{I}}, Tuple{{LINE,LINE,T}})),
    "density" => (J.one_cell, (typeof(J.equation_of_state.points), Tuple{{I}},
                  Tuple{{LINE,LINE,LINE,LINE,typeof(({constants},))}})),
    "diffuse" => (J.one_cell, (typeof(J.heat.diffuse_row), BOX3, Tuple{{CUBE,CUBE,T,T,T}})),
    "column" => (J.one_cell, (typeof(J.column.alone), NTuple{{2,I}},
                 Tuple{{UnitRange{{I}},CUBE,CUBE,T,T,T}})),
    "first" => (J.one_cell, (typeof(J.shallow_water.first_cell), NTuple{{2,I}},
                Tuple{{ntuple(_ -> PLANE, 6)...,reals(5)...}})),
    "second" => (J.one_cell, (typeof(J.shallow_water.second_cell), NTuple{{2,I}},
                 Tuple{{ntuple(_ -> PLANE, 9)...,reals(7)...}})),
    "third" => (J.one_cell, (typeof(J.shallow_water.third_cell), NTuple{{2,I}},
                Tuple{{ntuple(_ -> PLANE, 6)...,reals(5)...}})),
    "faces" => (J.tracer.faces, (CUBE, CUBE, CUBE, BOX3, BOX3, BOX3, CUBE, CUBE, CUBE, CUBE,
                NTuple{{2,I}}, BOX7)),
    "cell" => (J.tracer.cell, (typeof(J.tracer.update2), CUBE, CUBE, CUBE, BOX3, BOX3, BOX3, BOX7,
               Tuple{{CUBE,CUBE,CUBE,T,T,T}})),
    ["node p = $p split = $s" => (J.euler.one_node, (Val{{p + 1}}, Val{{s}}, NTuple{{4,I}},
         ELEMENTS, ELEMENTS, ELEMENTS, BOX3, I, LINE, T, T, T, NTuple{{3,T}}))
     for p in (1, 3, 5), s in (false, true)]...,
)
llvm(f, types) = sprint(io -> code_llvm(io, f, types; debuginfo = :none))
"""
)
code = Main.seval("Dict(name => llvm(item...) for (name, item) in items())")
# Not to stdout: Julia makes it non-blocking, and a pipe takes 64 KiB at a time.
Path(sys.argv[2]).write_text(json.dumps({str(name): str(text) for name, text in code.items()}))

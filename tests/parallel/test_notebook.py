"""In the kernel of a notebook: bars, stops, and errors as one message."""

import asyncio

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

LONG = """
import wfrpde
from wfrpde.parallel import progress

progress.PATIENCE = 0.0
case = wfrpde.load_case("tilted-double-well", {"numerics.formulation": "edge-averaged"})
long = case.with_overrides({"numerics.dt": 1e-5, "flow.t_end": 100.0, "flow.save": [1e-4, 100.0]})
wfrpde.solve(long)
"""

AFTER = """
import sys
result = sys.last_value.result
print(result.complete, len(result.times), result.times[-1])
"""

WRONG = "wfrpde.load_case('tilted-double-well', {'flow.bta': 1})"


@pytest.mark.slow
def test_a_cell_shows_a_bar_and_is_stopped():
    cells = [nbformat.v4.new_code_cell(text) for text in (LONG, AFTER, WRONG)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(
        notebook, allow_errors=True, kernel_name="python3", timeout=120
    )
    shown = []

    async def bar_is_there(task):
        while not task.done():
            for output in cells[0].outputs:
                if output.output_type == "display_data":
                    shown.append(output.data)
                    return
            await asyncio.sleep(0.05)

    async def run():
        async with client.async_setup_kernel():
            task = asyncio.ensure_future(client.async_execute_cell(cells[0], 0))
            await bar_is_there(task)
            await asyncio.sleep(0.5)
            await client.km.interrupt_kernel()
            await task
            for number in (1, 2):
                await client.async_execute_cell(cells[number], number)

    asyncio.run(run())
    stopped = cells[0].outputs[-1]
    assert (stopped.output_type, stopped.ename) == ("error", "Interrupted")
    assert len(stopped.traceback) == 2, "a message and what to do, not a traceback"
    assert "WFR" in shown[0]["text/plain"] or shown[0]["text/plain"] == ""
    assert cells[1].outputs[0].text.startswith("False ")
    wrong = cells[2].outputs[-1]
    assert wrong.ename == "InputError"
    assert len(wrong.traceback) == 1
    assert "flow.bta: found an unknown key" in wrong.traceback[0]

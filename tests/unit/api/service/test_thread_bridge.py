"""What is done together wakes the loop once, and everybody gets their own result or error."""

import asyncio
from concurrent.futures import Future
from threading import Thread

from api.service.executors import LoopBridge


def done(works: "list[Future[int]]") -> None:
    for number, work in enumerate(works):
        if number % 3 == 2:
            work.set_exception(KeyError(number))
        else:
            work.set_result(number)


async def answers(bridge: LoopBridge, works: "list[Future[int]]") -> list[object]:
    waiting = [bridge.wait(work) for work in works]
    thread = Thread(target=done, args=(works,))
    thread.start()
    found: list[object] = list(await asyncio.gather(*waiting, return_exceptions=True))
    thread.join()
    return [error.args[0] if isinstance(error, KeyError) else error for error in found]


def test_each_gets_its_own() -> None:
    works: list[Future[int]] = [Future() for _ in range(50)]
    assert asyncio.run(answers(LoopBridge(), works)) == list(range(50))


def test_what_is_done_together_wakes_the_loop_once() -> None:
    async def ask() -> int:
        loop, bridge, woken = asyncio.get_running_loop(), LoopBridge(), []
        wake = loop.call_soon_threadsafe

        def count_wakes(*what: object) -> object:
            woken.append(what)
            return wake(*what)  # type: ignore[arg-type]

        loop.call_soon_threadsafe = count_wakes  # type: ignore[assignment]
        works: list[Future[int]] = [Future() for _ in range(50)]
        waiting = [bridge.wait(work) for work in works]
        done(works)  # on the loop's own thread: nothing can run in between
        await asyncio.gather(*waiting, return_exceptions=True)
        return len(woken)

    assert asyncio.run(ask()) == 1


def test_who_stops_waiting_takes_nothing_from_others() -> None:
    async def ask() -> int:
        bridge, work = LoopBridge(), Future[int]()
        gone, stays = bridge.wait(work), bridge.wait(work)
        gone.cancel()
        work.set_result(7)
        return await stays

    assert asyncio.run(ask()) == 7


def test_what_is_done_after_its_loop_is_closed_is_let_go() -> None:
    bridge, work = LoopBridge(), Future[int]()

    async def ask() -> None:
        bridge.wait(work)

    asyncio.run(ask())
    work.set_result(1)
    assert work.result() == 1

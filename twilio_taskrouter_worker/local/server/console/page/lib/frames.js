/** Work that is done at most once for each frame, however often it is asked for. */

/**
 * @param {() => void} work
 * @returns {(() => void) & {cancel(): void}} asks for the work in the next frame
 */
export function oncePerFrame(work) {
  let frame = 0;
  const ask = () => {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      work();
    });
  };
  ask.cancel = () => {
    cancelAnimationFrame(frame);
    frame = 0;
  };
  return ask;
}

/**
 * Returns a function that does asynchronous work at most once per interval and never twice at a time. Asked for
 * meanwhile, it is done once more afterwards, so that the last state is always reached.
 *
 * @param {() => Promise<void>} work  must not reject
 * @param {number} milliseconds
 * @param {AbortSignal} signal  ends it
 */
export function paced(work, milliseconds, signal) {
  let running = false;
  let again = false;
  const ask = async () => {
    if (signal.aborted) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    await work();
    setTimeout(() => {
      running = false;
      if (again) {
        again = false;
        ask();
      }
    }, milliseconds);
  };
  return ask;
}

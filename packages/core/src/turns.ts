/** Resolves in a later turn of the event loop: what has come meanwhile is handled first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

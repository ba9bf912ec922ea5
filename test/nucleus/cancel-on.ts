/** What the SDK takes as `cancelController`; its own lives in a package that we do not depend on. */
export function cancelOn(signal: AbortSignal) {
  return {
    cancel: (): void => undefined,
    hasBeenCancelled: () => signal.aborted,
    addListener: (listener: () => void): (() => void) | undefined => {
      if (signal.aborted) {
        listener();
        return undefined;
      }
      signal.addEventListener('abort', listener);
      return () => signal.removeEventListener('abort', listener);
    },
  };
}

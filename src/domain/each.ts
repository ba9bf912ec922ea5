/** One at a time, each time it is gone through: of a list of thousands no second one lies in memory. */
export const each = <From, To>(list: Iterable<From>, make: (one: From) => To): Iterable<To> => ({
  *[Symbol.iterator]() {
    for (const one of list) yield make(one);
  },
});

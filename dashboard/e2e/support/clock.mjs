// A browser whose clock is wrong.

/** Runs in the page: moves its clock by this many milliseconds. */
export function setClock(ms) {
  const Real =
    Object.getPrototypeOf(Date) === Function.prototype ? Date : Object.getPrototypeOf(Date);
  window.Date = class extends Real {
    constructor(...parts) {
      if (parts.length > 0) super(...parts);
      else super(Real.now() + ms);
    }
    static now() {
      return Real.now() + ms;
    }
  };
}

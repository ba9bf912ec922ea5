/** The least that any of our connections speaks, whatever Node.js was told by its environment. */
export const TLS_FLOOR = { minVersion: 'TLSv1.2' } as const;

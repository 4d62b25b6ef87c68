/** AF_INET and AF_INET6 of Linux by version of the Internet Protocol. */
export const ADDRESS_FAMILY = { 4: 2, 6: 10 } as const;

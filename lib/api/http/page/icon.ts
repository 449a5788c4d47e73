/** The mark of the page: a box whose two faces stand for the two digests. Pure text. */
export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<path d="M16 2 29 9v14l-13 7-13-7V9z" fill="#0f766e"/>
<path d="M16 16v14L3 23V9z" fill="#14b8a6"/>
<path d="M16 16 29 9 16 2 3 9z" fill="#99f6e4"/>
<path d="M7 14v3m3-1.5v5m3-2v5" stroke="#042f2e" stroke-width="1.6" stroke-linecap="round"/>
<path d="M19 20.5v4m3-6v5m3-7v3" stroke="#99f6e4" stroke-width="1.6" stroke-linecap="round"/>
</svg>
`;

// Before anything is painted: light or dark, as the reader's system is.
{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const set = () => document.documentElement.classList.toggle("dark", dark.matches);
  dark.addEventListener("change", set);
  set();
}

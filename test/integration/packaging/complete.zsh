# zsh -f complete.zsh FOLDER LINE PATTERN: types LINE and a tab into a zsh that has the completions of FOLDER, and says what it shows.
#
# Rule: the shell is a real one at a terminal of its own; it is read until PATTERN was there, however long that takes.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT= fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -u -D; bindkey '^I' list-choices; stty columns 200; print is''ready"
zpty -r shell shown '*isready*'
zpty -w -n shell "$2"$'\t'
zpty -r shell shown "$3"
print -r -- "$shown"

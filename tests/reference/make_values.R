# Computes the reference values that mclust can give, and compares them with values.hpp.
#
#   Rscript tests/reference/make_values.R        (Debian: r-base-core r-cran-mclust r-cran-mass)
#
# mclust's EM is run to a tolerance of 1e-15 from many starts; of the optima found, the highest regular one counts.
# Prints a table, then weights, means and variances; ends with an error where a value differs by more than its grade allows.
suppressMessages(library(mclust))

here <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
folder <- if (length(here)) dirname(here) else "tests/reference"
header <- paste(readLines(file.path(folder, "values.hpp")), collapse = "\n")

faithful_file <- file.path(folder, "../../examples/data/faithful.csv")
iris_file <- file.path(folder, "../../examples/data/iris.csv")
faithful <- as.matrix(read.csv(faithful_file))
stopifnot(all(faithful == as.matrix(datasets::faithful)))
flowers <- as.matrix(read.csv(iris_file)[, 1:4])
stopifnot(all(flowers == as.matrix(datasets::iris[, 1:4])))

numbers <- function(name) {  # the numbers streamed into x in the function `name` of values.hpp
  body <- sub(paste0("(?s).*RowVectorXd ", name, "\\(\\).*?x << (.*?);.*"), "\\1", header, perl = TRUE)
  as.numeric(strsplit(gsub("[[:space:]]", "", body), ",")[[1]])
}
galaxies <- numbers("galaxies")
shipped <- MASS::galaxies / 1000
stopifnot(all(sort(shipped)[-78] == galaxies[-78]), sort(shipped)[78] == 26.690)
esl <- numbers("esl_table_8_1")

control <- emControl(eps = .Machine$double.eps, tol = c(1e-15, 1e-15), itmax = c(1e5, 1e5))

# The smallest eigenvalue of a component's covariance relative to the pooled within-covariance.
regularity <- function(fit) {
  p <- fit$parameters
  if (is.null(p$variance[["sigma"]])) {
    s <- p$variance[["sigmasq"]]
    return(min(s) / sum(p$pro * rep_len(s, length(p$pro))))
  }
  k <- dim(p$variance[["sigma"]])[3]
  pooled <- Reduce(`+`, lapply(1:k, function(j) p$pro[j] * p$variance[["sigma"]][, , j]))
  min(sapply(1:k, function(j) min(Re(eigen(solve(pooled, p$variance[["sigma"]][, , j]))$values))))
}

best <- function(x, model, k, first = NULL, starts = 60) {  # first: responsibilities (n x k) of one more start
  x <- as.matrix(x)
  if (k == 1) return(mvn(if (ncol(x) == 1) "X" else "XXX", x))
  set.seed(1)
  y <- scale(x)
  found <- NULL
  for (start in 0:starts) {
    if (start == 0) {
      if (is.null(first)) next
    } else if (start %% 2 == 1) {
      labels <- kmeans(y, k)$cluster
    } else {  # the nearest of k observations drawn at random
      centres <- y[sample(nrow(y), k), , drop = FALSE]
      distance <- sapply(seq_len(k), function(j) rowSums(sweep(y, 2, centres[j, ])^2))
      labels <- max.col(-distance)
    }
    if (start > 0 && length(unique(labels)) < k) next
    z <- if (start == 0) first else unmap(labels)
    fit <- try(me(x, modelName = model, z = z, control = control), silent = TRUE)
    if (inherits(fit, "try-error") || is.na(fit$loglik) || regularity(fit) < 1e-3) next
    if (is.null(found) || fit$loglik > found$loglik) found <- fit
  }
  found
}

# Few starts lead to the best regular optimum of the galaxies; this one is its printed parameters.
rare <- sapply(1:4, function(k) c(7.0, 17.1, 54.9, 3.0)[k] *
  dnorm(galaxies, c(9.71, 19.75, 21.92, 33.04)[k], c(.423, .436, 2.278, .922)[k]))
rare <- rare / rowSums(rare)
repeated <- faithful[rep(1:272, 1 + (1:272) %% 3), ]
fits <- list(
  g1 = best(faithful, "XXX", 1), g2 = best(faithful, "VVV", 2), g3 = best(faithful, "EEE", 2),
  g4 = best(faithful, "VVI", 2), g5 = best(faithful, "VII", 2),
  g10_unequal = best(faithful[, 1], "V", 2), g10_equal = best(faithful[, 1], "E", 2),
  i1 = best(flowers, "XXX", 1), i2 = best(flowers, "VVV", 2), i3 = best(flowers, "VVV", 3), i4 = best(flowers, "EEE", 3),
  l1 = best(galaxies, "X", 1), l1_as_shipped = best(shipped, "X", 1), l4 = best(galaxies, "V", 4, rare),
  l5_two = best(galaxies, "E", 2), l5_three = best(galaxies, "E", 3), l5_four = best(galaxies, "E", 4),
  esl = best(esl, "V", 2), w2 = best(repeated, "VVV", 2))

bad <- 0
for (id in names(fits)) {
  line <- regmatches(header, regexpr(paste0("constexpr Value ", id, "\\{[^}]*\\}"), header))
  grade <- sub(".*'(.)'.*", "\\1", line)
  value <- as.numeric(sub(".*, *([-0-9.]+)\\}", "\\1", line))
  fit <- fits[[id]]
  good <- abs(fit$loglik - value) <= if (grade == "A") 1e-10 * abs(value) else 1e-6
  bad <- bad + !good
  cat(sprintf("%-14s %s  values.hpp %.13f  mclust %.13f  %s\n", id, grade, value, fit$loglik,
              if (good) "agree" else "DIFFER"))
}
for (id in c("g2", "g3", "l4", "esl", "w2")) {
  p <- fits[[id]]$parameters
  cat("\n", id, "\n  weights  ", sprintf(" %.14g", p$pro), "\n  means    ", sprintf(" %.14g", p$mean), "\n  variances",
      sprintf(" %.14g", if (is.null(p$variance[["sigma"]])) p$variance[["sigmasq"]] else p$variance[["sigma"]]), "\n", sep = "")
}
if (bad > 0) stop(bad, " values differ")

# The iterations of one case with mclust, which has no threads:
#   Rscript mclust_em.R full|diagonal N D K FOLDER ITERATIONS THREADS
suppressPackageStartupMessages(library(mclust))
args <- commandArgs(TRUE)
n <- as.integer(args[2]); d <- as.integer(args[3]); K <- as.integer(args[4])
folder <- args[5]; iterations <- as.integer(args[6])
model <- if (args[1] == "full") "VVV" else "VVI"
doubles <- function(name, rows) {
  matrix(readBin(file.path(folder, name), "double", rows * d, endian = "little"), rows, d, byrow = TRUE)
}
x <- doubles("data", n)
variance <- if (model == "VVV") {
  list(modelName = model, d = d, G = K, sigma = array(diag(d), c(d, d, K)), cholsigma = array(diag(d), c(d, d, K)))
} else {
  list(modelName = model, d = d, G = K, scale = rep(1, K), shape = matrix(1, d, K))
}
start <- list(pro = rep(1 / K, K), mean = t(doubles("means", K)), variance = variance)
# em() is an E-step and then so many M-steps and E-steps.
fit <- function(count) {
  control <- emControl(tol = c(0, 0), itmax = c(count, count), eps = 0)
  seconds <- system.time(result <- em(x, model, start, control = control, warn = FALSE))[["elapsed"]]
  list(seconds = seconds, mean_log_likelihood = result$loglik / n)
}
one <- fit(1)
all <- fit(iterations)
cat("version mclust", as.character(packageVersion("mclust")), "with R", as.character(getRversion()), "\n")
cat("iterations", iterations, "\n")
cat(sprintf("mean_log_likelihood %.17g\n", all$mean_log_likelihood))
cat(sprintf("seconds_per_iteration %.6g\n", (all$seconds - one$seconds) / (iterations - 1)))
